"""Pictures of several requests before the model at once: while it works on some, others gather."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
T = TypeVar("T")
Pixels = NDArray[np.uint8]
Row = NDArray[np.float32]


class _Request(NamedTuple):
    pixels: Pixels
    answer: "asyncio.Future[Row]"


class Batcher:
    """A queue before a model that has a thread to itself. Nothing waits for a batch to fill: a picture that comes alone
    is asked about at once.

    Args:
        compute: takes pixels uint8 (n, size, size, 3), gives probabilities float32 (n, classes).
        most: pictures of a batch, at most.
        note: is told how many pictures each batch had.
    """

    def __init__(self, compute: Callable[[Pixels], Row], most: int, note: Callable[[int], Any]) -> None:
        self._compute, self._most, self._note = compute, most, note
        self._queue: asyncio.Queue[_Request] = asyncio.Queue()  # bounded by who may put something in: see Capacity
        self._thread, self._lock = ThreadPoolExecutor(1, "model"), asyncio.Lock()

    async def ask(self, pixels: Pixels) -> Row:
        """Probabilities float32 (classes,) of a picture uint8 (size, size, 3). Cancelled, it is not asked about."""
        answer: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Request(pixels, answer))
        return await answer

    async def between_batches(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What else is to be computed in the model's thread, between two batches."""
        async with self._lock:
            return await self._in_thread(lambda: call(*args, **kwargs))

    async def run(self) -> None:
        """Answer, until cancelled."""
        while True:
            batch = [await self._queue.get()]
            async with self._lock:  # until then others gather
                while len(batch) < self._most and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                if wanted := [one for one in batch if not one.answer.done()]:  # the others' clients have left
                    await self._answer(wanted)

    async def _answer(self, batch: list[_Request]) -> None:
        try:
            pixels = np.stack([one.pixels for one in batch])
            rows = await self._in_thread(lambda: self._compute(pixels))
        except Exception as error:
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        self._note(len(batch))
        for one, row in zip(batch, rows, strict=True):
            if not one.answer.done():
                one.answer.set_result(row)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
