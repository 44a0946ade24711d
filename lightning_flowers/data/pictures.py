"""Decoded pictures, kept for the epochs and runs to come and shared by the processes of a host.

There is one file for each shard: its pictures one after the other, then a byte for each record that says whether its
picture is there. Threads write a picture with `pwrite`, where a full disk is an error, and then set the byte; readers
look through a mapping of the same file. Names hold the key of the shard's records, so another shard's pictures are
never taken for them, and any split that has the shard (train, train+val, a fold) uses the same file.
"""

import fcntl
import hashlib
import mmap
import os
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.index import ShardRecords

STALE_SECONDS = 7 * 24 * 3600  # a file that no run has opened for so long is removed
_DECODER = "simplejpeg accurate 1"  # renewed when decoded pixels change, so that older files are not used
_SUFFIX = ".pictures"
_AS_IT_WAS, _RESIZED = 1, 2  # what a record's byte says; 0: the picture is not there


class ShardPictures:
    """The decoded pictures of one shard.

    Args:
        file: descriptor of a file of `room(records, size)` bytes, closed with this object.
        records: how many.
        size: side of the pictures in pixels.
        when_whole: called when the last picture has come.
    """

    def __init__(self, file: int, records: int, size: int, when_whole: Callable[[], None] | None = None) -> None:
        self._file, self._bytes, self._when_whole = file, size * size * 3, when_whole
        weakref.finalize(self, os.close, file)
        everything = np.frombuffer(mmap.mmap(file, room(records, size)), np.uint8)
        self._pictures = everything[: records * self._bytes].reshape(records, size, size, 3)
        self._pictures.flags.writeable = False
        self._there = everything[records * self._bytes :]
        self._full = False

    def get(self, record: int) -> NDArray[np.uint8] | None:
        """The picture uint8 (size, size, 3), not to be written to; None if it is not there yet."""
        return self._pictures[record] if self._there[record] else None

    def was_resized(self, record: int) -> bool:
        """Whether a picture had another size before it was kept."""
        return bool(self._there[record] == _RESIZED)

    def put(self, record: int, picture: NDArray[np.uint8], resized: bool) -> None:
        """Keep a picture uint8 (size, size, 3), C-contiguous; where there is no room left, keep no more, and warn."""
        if self._full:
            return
        try:
            written = os.pwrite(self._file, picture.data, record * self._bytes)
        except OSError as error:
            written = 0
            warnings.warn(f"--data.cache: no more pictures are kept: {error.strerror}", stacklevel=2)
        self._full = written < self._bytes
        if not self._full:
            self._there[record] = _RESIZED if resized else _AS_IT_WAS
        if self._when_whole and self.whole:
            self._when_whole()
            self._when_whole = None

    @property
    def whole(self) -> bool:
        """Whether every picture is there."""
        return bool(self._there.all())


class PictureCache:
    """Decoded pictures of any number of shards.

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

    def kept(self, records: ShardRecords) -> int:
        """Bytes that the folder has of a shard's pictures already, from this run or another."""
        paths = self._paths(records, self.folder) if self.folder else ()
        return sum(path.stat().st_blocks * 512 for path in paths if path.is_file())

    def _open_or_warn(self, records: ShardRecords) -> ShardPictures | None:
        try:
            return self._open(records)
        except OSError as error:
            warnings.warn(f"--data.cache: {self.folder or 'memory'}: {error.strerror}: not kept", stacklevel=2)
            return None

    def _open(self, records: ShardRecords) -> ShardPictures:
        count = len(records)
        if self.folder is None:
            return ShardPictures(_sized(os.memfd_create("lightning_flowers"), count, self.size), count, self.size)
        self.folder.mkdir(parents=True, exist_ok=True)
        whole, part = self._paths(records, self.folder)
        with _locked(self.folder):
            _discard(other for other in self.folder.glob(f"{whole.name[:8]}-*") if other not in (whole, part))
            path = whole if whole.is_file() else part
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(file, fcntl.LOCK_SH)  # nobody removes a file in use
            os.utime(path)
        when_whole = partial(_name_whole, file, part, whole) if path == part else None
        return ShardPictures(_sized(file, count, self.size), count, self.size, when_whole)

    def _paths(self, records: ShardRecords, folder: Path) -> tuple[Path, Path]:
        """The file of a shard once it is whole, and until then.

        Those of one shard begin alike, so that those of a shard that has changed are known as stale. One that is not
        whole belongs to this start of the machine: after a crash nobody knows which of its pages reached the disk.
        """
        place = hashlib.sha256(str(records.shard.path.absolute()).encode()).hexdigest()[:8]
        key = hashlib.sha256(f"{records.key} {len(records)} {self.size} {_DECODER}".encode()).hexdigest()[:32]
        return folder / f"{place}-{key}{_SUFFIX}", folder / f"{place}-{key}-{_boot()}{_SUFFIX}"


def room(records: int, size: int) -> int:
    """Bytes of a file of so many pictures."""
    return records * (size * size * 3 + 1)


def evict(folder: Path, wanted: int = 0) -> int:
    """Remove files that no run has opened for a week, then the longest unused until `wanted` bytes are freed; those
    that a process has open stay.

    Returns:
        Bytes freed.
    """
    if not folder.is_dir():
        return 0
    with _locked(folder):
        files = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        stale = [path for path in files if time.time() - path.stat().st_mtime > STALE_SECONDS]
        freed = _discard(iter(stale))
        for path in files[len(stale) :]:
            if freed < wanted:
                freed += _discard(iter([path]))
        return freed


def _discard(paths: Iterator[Path]) -> int:
    freed = 0
    for path in paths:
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while a process has it open
            size = path.stat().st_blocks * 512
            path.unlink()
            freed += size
    return freed


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sized(file: int, records: int, size: int) -> int:
    os.ftruncate(file, room(records, size))
    # The bytes that say what is there are touched through the mapping, where a full disk would kill the process.
    os.posix_fallocate(file, records * size * size * 3, records)
    return file


def _name_whole(file: int, part: Path, whole: Path) -> None:
    os.fsync(file)
    with _locked(part.parent), suppress(FileNotFoundError):  # another process was as quick
        os.replace(part, whole)


def _boot() -> str:
    """What names this start of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.is_file() else ""
