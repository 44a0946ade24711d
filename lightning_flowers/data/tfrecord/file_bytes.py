"""Looks at a few bytes here and there of an open file."""

import errno
import os
import weakref
from typing import Any

from lightning_flowers.portable import read_at

_PIECE = 512  # a record's framing and all of its features but the picture fit


class Descriptor:
    """An open file, closed once nobody holds this any more: hold it, not its number alone, while reading or writing."""

    def __init__(self, number: int) -> None:
        self.number = number
        weakref.finalize(self, os.close, number)


class FileBytes:
    """The bytes of an open file, read with `pread` when they are asked for, and a few after them.

    A mapping would do as well, but where a file is cut meanwhile, or its disk fails, looking through a mapping kills
    the process (SIGBUS); here it is an OSError.

    Args:
        file: a regular file.
        size: its size in bytes.
    """

    def __init__(self, file: Descriptor, size: int) -> None:
        self._file, self._size = file, size
        self._start, self._piece = 0, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, at: int | slice, /) -> Any:
        """One byte, or the bytes of a slice without a step; neither counts from the end.

        Raises:
            OSError: the file cannot be read, or was cut.
        """
        if isinstance(at, int):
            place = at - self._start
            return self._piece[place] if 0 <= place < len(self._piece) else self._read(at, at + 1)[0]
        start, stop, _ = at.indices(self._size)
        piece = self._read(start, max(start, stop))
        return piece[start - self._start : stop - self._start]

    def _read(self, start: int, stop: int) -> bytes:
        if not self._start <= start <= stop <= self._start + len(self._piece):
            self._start, self._piece = start, read_at(self._file.number, max(stop - start, _PIECE), start)
            if len(self._piece) < stop - start:
                raise OSError(errno.EIO, "it was cut meanwhile")
        return self._piece


Bytes = memoryview | FileBytes  # what can be read as bytes, one (an int) or a slice of them
