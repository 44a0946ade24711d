"""A bounded folder of fetched files that the processes of a host share.

Each version of a file has a folder of its own, named by URL, version and size, whose being there reserves the size. The
kernel locks the folders that are held: whatever happens to a process, its locks end with it.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from filelock import FileLock

from lightning_flowers.data.sources.remote.folder import RemoteFile
from lightning_flowers.data.tfrecord.open_files import Descriptor
from lightning_flowers.errors import UserError

_KEY = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}-(\d+)")


class Held:
    """One version of a file, which stays in the cache until nobody holds this any more.

    Attributes:
        path: where it lies once it is whole, under its own name: a shard's is part of what is checked.
        part: where it grows until then.
    """

    def __init__(self, folder: Path, file: RemoteFile) -> None:
        self._size, self.folder = file.size, folder
        name = PurePosixPath(file.url).name
        self.path, self.part = folder / name, folder / "part" / name
        self._lock = Descriptor(os.open(folder, os.O_RDONLY))
        fcntl.flock(self._lock.number, fcntl.LOCK_SH)
        os.utime(folder)  # it was used now

    def is_whole(self) -> bool:
        """Whether the file is there."""
        with suppress(OSError):
            return self.path.stat().st_size == self._size
        return False


class Cache:
    """The folder and its limit.

    Args:
        folder: made if need be.
        limit: bytes that all files may take together, those that are being fetched at their full size.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self._limit = folder, limit

    def hold(self, file: RemoteFile, forced: bool = False) -> Held | None:
        """Have a place for a file, for which those that nobody holds go, the one last used longest ago first.

        Args:
            file: which may be there, or be fetched into its place.
            forced: whether whole files that others hold may go too; who has them open reads on.

        Returns:
            None where there is no room.

        Raises:
            UserError: it is larger than the limit.
        """
        if file.size > self._limit:
            raise UserError(
                f"{file.url}: {file.size} bytes, more than the {self._limit} that may be kept of remote files at a "
                "time: raise the limit (--data.remote_limit)"
            )
        folder = self.folder / _key(file)
        (self.folder / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "locks" / "folder.lock"):
            if not folder.is_dir():
                if not self._make_room(file.size, forced):
                    return None
                folder.mkdir()
            return Held(folder, file)

    @contextmanager
    def filling(self, held: Held, stopped: Callable[[], bool]) -> Iterator[None]:
        """Nobody else, of all threads and processes, fetches the file meanwhile.

        Raises:
            TimeoutError: `stopped` while somebody else did.
        """
        lock = FileLock(self.folder / "locks" / f"{held.folder.name}.lock")
        lock.acquire(cancel_check=stopped)
        try:
            yield
        finally:
            lock.release()

    def _make_room(self, size: int, forced: bool) -> bool:
        folders = [folder for folder in self.folder.iterdir() if _KEY.fullmatch(folder.name)]
        room = self._limit - sum(map(_size, folders))
        for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime):
            if room >= size:
                break
            if not _is_held(folder) or (forced and _is_whole(folder)):
                shutil.rmtree(folder)
                room += _size(folder)
        return room >= size


def _key(file: RemoteFile) -> str:
    url, version = (hashlib.sha256(text.encode()).hexdigest() for text in (file.url, file.version))
    return f"{url[:16]}-{version[:8]}-{file.size}"


def _size(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _is_held(folder: Path) -> bool:
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(number)
    return False


def _is_whole(folder: Path) -> bool:
    return any(path.is_file() for path in folder.iterdir())
