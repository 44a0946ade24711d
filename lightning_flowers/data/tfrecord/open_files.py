"""Files that stay open while not too many of them are: a process may have but 256 (macOS) or 1024 at a time."""

import os
import weakref
from collections import deque
from collections.abc import Callable
from threading import Lock

from lightning_flowers.portable import most_files

_SHARE = 4  # of what the process may open, one part is for these
_LEAST = 16


class Descriptor:
    """An open file, closed once nobody holds this any more: hold it, not its number alone, while reading or writing."""

    def __init__(self, number: int) -> None:
        self.number = number
        weakref.finalize(self, os.close, number)


_opened: "deque[weakref.ref[Reopened]]" = deque()  # in this order, those that were closed since among them
_lock = Lock()


class Reopened:
    """A file that is opened when it is asked for, and may be closed when many others were opened since.

    Args:
        open_file: opens it, and gives a descriptor.
        number: of the file, if it is open already.
    """

    def __init__(self, open_file: Callable[[], int], number: int | None = None) -> None:
        self._open_file, self._held = open_file, None
        self._opening = Lock()
        if number is not None:
            self._hold(number)

    def get(self) -> Descriptor:
        """The open file, which stays open while the caller holds it.

        Raises:
            OSError: it cannot be opened, or whatever `open_file` raises.
        """
        if (held := self._held) is not None:
            return held
        with self._opening:
            return self._held or self._hold(self._open_file())

    def close(self) -> None:
        """Close it until it is asked for again; who holds it reads on."""
        self._held = None

    def _hold(self, number: int) -> Descriptor:
        self._held = held = Descriptor(number)
        with _lock:
            _opened.append(weakref.ref(self))
            while len(_opened) > most_open():
                if (oldest := _opened.popleft()()) is not None:
                    oldest._held = None
        return held


def most_open() -> int:
    """How many files may be kept open at a time."""
    return max(_LEAST, most_files() // _SHARE)
