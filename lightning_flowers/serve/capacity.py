"""How much may be under way at once."""

from collections.abc import Iterator
from contextlib import contextmanager


class FullError(Exception):
    """No place is left."""


class Capacity:
    """A number of places, to be taken and given back on one event loop.

    Args:
        bound: how many there are.
    """

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
