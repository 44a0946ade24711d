"""Decoded pictures, kept for the epochs and runs to come and shared by the processes of a host.

There is one file for each shard: its pictures one after the other, then a byte for each record that says whether its
picture is there. Threads write a picture with `pwrite`, where a full disk is an error, and then set the byte; readers
look through a mapping of the same file. Names hold the key of the shard's records, so another shard's pictures are
never taken for them, and any split that has the shard (train, train+val, a fold) uses the same file.
"""

import mmap
import os
import warnings
import weakref
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data import picture_files as files
from lightning_flowers.data.index import ShardRecords

_AS_IT_WAS, _RESIZED = 1, 2  # what a record's byte says; 0: the picture is not there


class ShardPictures:
    """The decoded pictures of one shard. Any thread may call any method.

    Args:
        file: descriptor of a file that `set_size` has made, closed with this object.
        records: how many.
        size: side of the pictures in pixels.
        when_whole: called when the last picture has come, or at once if all are there.
    """

    def __init__(self, file: int, records: int, size: int, when_whole: Callable[[], None] | None = None) -> None:
        self._file, self._bytes, self._when_whole = file, size * size * 3, when_whole
        weakref.finalize(self, os.close, file)
        everything = np.frombuffer(mmap.mmap(file, files.room(records, size)), np.uint8)
        self._pictures = everything[: records * self._bytes].reshape(records, size, size, 3)
        self._pictures.flags.writeable = False
        self._there = everything[records * self._bytes :]
        self._flags = self._there.data  # the same: it answers sooner for one record
        self._full = False
        self._tell_if_whole()

    def get(self, record: int) -> NDArray[np.uint8] | None:
        """The picture uint8 (size, size, 3), not to be written to; None if it is not there yet."""
        return self._pictures[record] if self._flags[record] else None

    def was_resized(self, record: int) -> bool:
        """Whether a picture had another size before it was kept."""
        return self._flags[record] == _RESIZED

    def put(self, record: int, picture: NDArray[np.uint8], resized: bool) -> None:
        """Keep a picture uint8 (size, size, 3); where there is no room left, keep no more, and warn.

        Two threads or processes may keep the same one at once: they write the same bytes.
        """
        if self._full:
            return
        try:
            files.write(self._file, picture.reshape(-1).data, record * self._bytes)
        except OSError as error:
            self._full = True
            warnings.warn(f"--data.cache: no more pictures are kept: {error.strerror}", stacklevel=2)
            return
        self._there[record] = _RESIZED if resized else _AS_IT_WAS
        self._tell_if_whole()

    def lacks(self, bad: Collection[int] = ()) -> bool:
        """Whether a picture is still to come, other than of the records that cannot be used."""
        return any(record not in bad for record in np.flatnonzero(self._there == 0).tolist())

    def _tell_if_whole(self) -> None:
        if self._when_whole and self._there.all():
            when_whole, self._when_whole = self._when_whole, None
            if when_whole:  # another thread may have been as quick
                when_whole()


class PictureCache:
    """Decoded pictures of any number of shards. Any thread may call any method.

    Args:
        folder: where the files lie: in /dev/shm, which is memory, or on a disk. None keeps them in memory that belongs
            to this process alone.
        size: side of the pictures in pixels.
    """

    def __init__(self, folder: Path | None, size: int) -> None:
        self.folder, self.size = folder, size
        self._shards: dict[str, ShardPictures | None] = {}
        self._lock = Lock()

    def of(self, records: ShardRecords) -> ShardPictures | None:
        """The pictures of a shard; None, with a warning, where there is no room even for their file."""
        if records.key not in self._shards:
            with self._lock:
                if records.key not in self._shards:
                    self._shards[records.key] = self._open_or_warn(records)
        return self._shards[records.key]

    def paths(self, records: ShardRecords) -> list[Path]:
        """Where a shard's pictures may lie."""
        return [self.folder / name for name in files.names(records, self.size)] if self.folder else []

    def kept(self, records: ShardRecords) -> int:
        """Bytes that the folder has of a shard's pictures already, from this run or another."""
        sizes = [files.allocated(path) for path in self.paths(records)]
        return min(files.room(len(records), self.size), max(sizes, default=0))

    def _open_or_warn(self, records: ShardRecords) -> ShardPictures | None:
        try:
            with suppress(FileNotFoundError):  # the folder was removed just then: it is made anew
                return self._open(records)
            return self._open(records)
        except OSError as error:
            warnings.warn(f"--data.cache: {self.folder or 'memory'}: {error.strerror}: not kept", stacklevel=2)
            return None

    def _open(self, records: ShardRecords) -> ShardPictures:
        if self.folder is None:
            file = os.memfd_create("lightning_flowers")
            files.set_size(file, len(records), self.size)
            return ShardPictures(file, len(records), self.size)
        file, path = files.open_file(self.folder, records, self.size)
        name_whole = partial(files.name_whole, file, self.folder, records, self.size)
        return ShardPictures(file, len(records), self.size, name_whole if path == self.paths(records)[1] else None)
