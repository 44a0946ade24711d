"""A bounded folder of fetched files that the processes of a host share.

Each version of a file has a folder of its own, named by URL, version and size, whose being there reserves the size.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lightning_flowers.data.sources.remote.folder import RemoteFile
from lightning_flowers.errors import UserError

_KEY = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}-(\d+)")


class Cache:
    """The folder and its limit.

    Args:
        folder: made if need be.
        limit: bytes that all files may take together, those that are being fetched at their full size.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def reserve(self, file: RemoteFile) -> Path | None:
        """Make a folder for a file, for which others go: those released first, then those used longest ago.

        Returns:
            The folder, which may hold the file already; None while there is no room, as others are being fetched.

        Raises:
            UserError: it is larger than the limit.
        """
        if file.size > self.limit:
            raise UserError(
                f"{file.url}: {file.size} bytes, more than the {self.limit} that may be kept of remote files at a "
                "time: raise the limit (--data.remote_limit)"
            )
        folder = self.folder / _key(file)
        (self.folder / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "locks" / "folder.lock"):
            if not folder.is_dir() and not self._make_room(file.size):
                return None
            folder.mkdir(exist_ok=True)
        return folder

    @contextmanager
    def filling(self, folder: Path, stopped: Callable[[], bool]) -> Iterator[None]:
        """Nobody else, of all threads and processes, fills or removes the folder meanwhile.

        Raises:
            TimeoutError: `stopped` while somebody else did.
        """
        lock = self._lock(folder)
        lock.acquire(cancel_check=stopped)
        try:
            yield
        finally:
            lock.release()

    def release(self, file: RemoteFile) -> None:
        """This one may go first."""
        with suppress(OSError):  # it has gone
            os.utime(self.folder / _key(file), (0, 0))

    def _make_room(self, size: int) -> bool:
        folders = [folder for folder in self.folder.iterdir() if _KEY.fullmatch(folder.name)]
        room = self.limit - sum(map(_size, folders))
        for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime):
            if room < size and self._remove(folder):
                room += _size(folder)
        return room >= size

    def _remove(self, folder: Path) -> bool:
        """Remove a folder, unless it is being filled; who has its file open reads on."""
        lock = self._lock(folder)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        shutil.rmtree(folder)
        lock.release()
        return True

    def _lock(self, folder: Path) -> FileLock:
        return FileLock(self.folder / "locks" / f"{folder.name}.lock")


def _key(file: RemoteFile) -> str:
    url, version = (hashlib.sha256(text.encode()).hexdigest() for text in (file.url, file.version))
    return f"{url[:16]}-{version[:8]}-{file.size}"


def _size(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])
