"""Decoded pictures, kept for the epochs and runs to come and shared by the processes of a host.

There is one file for each shard: its pictures one after the other, then a byte for each record that says whether its
picture is there. Threads write a picture with `pwrite`, where a full disk is an error, and then set the byte; readers
look through a mapping of the same file. Names hold the key of the shard's records, so another shard's pictures are
never taken for them, and any split that has the shard (train, train+val, a fold) uses the same file.
"""

import mmap
import warnings
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.cache import files
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.file_bytes import Descriptor
from lightning_flowers.data.tfrecord.index import ShardRecords
from lightning_flowers.errors import as_given


class ShardPictures:
    """The decoded pictures of one shard. Any thread may call any method.

    Args:
        file: one that `files.open_file` has made; None keeps the pictures in memory of this process alone.
        records: how many.
        size: side of the pictures in pixels.
    """

    def __init__(self, file: Descriptor | None, records: int, size: int) -> None:
        self._file, self._bytes = file, size * size * 3
        mapped = mmap.mmap(-1 if file is None else file.number, files.room(records, size))
        everything = self._everything = np.frombuffer(mapped, np.uint8)
        self._pictures = everything[: records * self._bytes].reshape(records, size, size, 3)
        self._pictures.flags.writeable = False
        self._there = everything[records * self._bytes :]
        self._flags = self._there.data  # the same: it answers sooner for one record
        self._full = False

    def get(self, record: int) -> NDArray[np.uint8] | None:
        """The picture uint8 (size, size, 3), not to be written to; None if it is not there yet."""
        return self._pictures[record] if self._flags[record] else None

    def put(self, record: int, picture: NDArray[np.uint8]) -> None:
        """Keep a picture uint8 (size, size, 3); where there is no room left, keep no more, and warn.

        Two threads or processes may keep the same one at once: they write the same bytes.
        """
        if self._full:
            return
        try:
            start = record * self._bytes
            if self._file is None:
                self._everything[start : start + self._bytes] = picture.reshape(-1)
            else:
                files.write(self._file.number, picture.reshape(-1).data, start)
        except OSError as error:
            self._full = True
            warnings.warn(as_given(f"--data.cache: no more pictures are kept: {error.strerror}"), stacklevel=2)
            return
        self._there[record] = 1


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

    def all_of(self, split: Split) -> list[NDArray[np.uint8]] | None:
        """Each picture of a split, in its order; None while one is still to come, or where records cannot be used."""
        if split.bad or not all(shard.indexed for shard in split.shards):
            return None
        pictures: list[NDArray[np.uint8]] = []
        for position in range(len(split)):
            records, record = split.find(position)
            cached = self.of(records)
            picture = cached.get(record) if cached else None
            if picture is None:
                return None
            pictures.append(picture)
        return pictures

    def kept(self, records: ShardRecords) -> int:
        """Bytes that the folder has of a shard's pictures already, from this run or another."""
        there = files.allocated(self.path(records)) if self.folder else 0
        return min(files.room(len(records), self.size), there)

    def path(self, records: ShardRecords) -> Path:
        """Where a shard's pictures lie, where they are shared."""
        return (self.folder or Path()) / files.file_name(records, self.size)

    def _open_or_warn(self, records: ShardRecords) -> ShardPictures | None:
        try:
            file = self.folder and Descriptor(files.open_file(self.folder, records, self.size))
            return ShardPictures(file, len(records), self.size)
        except OSError as error:
            why = f"--data.cache: {self.folder or 'memory'}: {error.strerror}: not kept"
            warnings.warn(as_given(why), stacklevel=2)
            return None
