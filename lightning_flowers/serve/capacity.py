"""What is under way: bounded in how much, and only while its client waits."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")


class FullError(Exception):
    """No place is left."""


class Capacity:
    """A number of places, to be taken and given back on one event loop."""

    def __init__(self, bound: int) -> None:
        self.bound, self.used = bound, 0

    @property
    def full(self) -> bool:
        """Whether there is none left."""
        return self.used >= self.bound

    @contextmanager
    def taken(self, count: int = 1) -> Iterator[None]:
        """Take some, for as long as the block lasts.

        Raises:
            FullError: there are not so many left.
        """
        if self.used + count > self.bound:
            raise FullError
        self.used += count
        try:
            yield
        finally:
            self.used -= count


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result. The request's body has to be read by then.

    Raises:
        ClientDisconnect: the client has left; the work was cancelled.
    """
    task, left = asyncio.create_task(work), asyncio.create_task(_until_left(request))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return await task
    finally:
        left.cancel()
        task.cancel()


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
