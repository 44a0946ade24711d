"""Decoded pictures, kept for the epochs and runs to come and shared by the processes of a host.

There is one file for each shard: its pictures one after the other, then a byte for each record that says whether its
picture is there. Threads write a picture with `pwrite`, where a full disk is an error, and then set the byte; readers
look through a mapping of the same file. Names hold the key of the shard's records, so another shard's pictures are
never taken for them, and any split that has the shard (train, train+val, a fold) uses the same file.
"""

import errno
import mmap
import warnings
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_flowers.data.cache import files
from lightning_flowers.data.tfrecord.index import ShardRecords
from lightning_flowers.data.tfrecord.open_files import Reopened
from lightning_flowers.errors import as_given

_AS_IT_WAS, _RESIZED = 1, 2  # what a record's byte says; 0: the picture is not there


class ShardPictures:
    """The decoded pictures of one shard. Any thread may call any method.

    Args:
        file: one that `set_size` has made; None keeps the pictures in memory of this process alone.
        records: how many.
        size: side of the pictures in pixels.
        when_complete: called when the last picture has come, or at once if all are there.
    """

    def __init__(
        self, file: Reopened | None, records: int, size: int, when_complete: Callable[[], None] | None = None
    ) -> None:
        self._file, self._bytes, self._when_complete = file, size * size * 3, when_complete
        everything = self._everything = _mapped(file, files.room(records, size))
        self._pictures = everything[: records * self._bytes].reshape(records, size, size, 3)
        self._pictures.flags.writeable = False
        self._there = everything[records * self._bytes :]
        self._flags = self._there.data  # the same: it answers sooner for one record
        self._full = False
        self._tell_if_complete()

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
            self._write(picture.reshape(-1), record * self._bytes)
        except OSError as error:
            self._full = True
            warnings.warn(as_given(f"--data.cache: no more pictures are kept: {error.strerror}"), stacklevel=2)
            return
        self._there[record] = _RESIZED if resized else _AS_IT_WAS
        self._tell_if_complete()

    def lacks(self, bad: Collection[int] = ()) -> bool:
        """Whether a picture is still to come, other than of the records that cannot be used."""
        return any(record not in bad for record in np.flatnonzero(self._there == 0).tolist())

    def _write(self, picture: NDArray[np.uint8], position: int) -> None:
        if self._file is None:
            self._everything[position : position + self._bytes] = picture
        else:
            held = self._file.get()
            files.write(held.number, picture.data, position)

    def _tell_if_complete(self) -> None:
        if self._when_complete and self._there.all():
            when_complete, self._when_complete = self._when_complete, None
            if when_complete:  # another thread may have been as quick
                when_complete()


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
            why = f"--data.cache: {self.folder or 'memory'}: {error.strerror}: not kept"
            warnings.warn(as_given(why), stacklevel=2)
            return None

    def _open(self, records: ShardRecords) -> ShardPictures:
        if self.folder is None:
            return ShardPictures(None, len(records), self.size)
        number, path = files.open_file(self.folder, records, self.size)
        paths = self.paths(records)
        file = Reopened(partial(files.open_again, paths, files.inode_of(number)), number)
        name_complete = partial(_name_complete, file, self.folder, records, self.size)
        return ShardPictures(file, len(records), self.size, name_complete if path == paths[1] else None)


def _name_complete(file: Reopened, folder: Path, records: ShardRecords, size: int) -> None:
    with suppress(OSError):  # it was removed
        held = file.get()
        files.name_complete(held.number, folder, records, size)


def _mapped(file: Reopened | None, size: int) -> NDArray[np.uint8]:
    if file is None:
        return np.frombuffer(mmap.mmap(-1, size), np.uint8)
    held = file.get()
    if not Path("/dev/fd").is_dir():
        return np.frombuffer(mmap.mmap(held.number, size), np.uint8)  # which keeps a descriptor; torch does not
    try:
        storage: Any = torch.UntypedStorage.from_file(f"/dev/fd/{held.number}", True, size)
    except RuntimeError as error:
        raise OSError(errno.ENOMEM, "cannot be mapped") from error
    return torch.tensor([], dtype=torch.uint8).set_(storage).numpy()
