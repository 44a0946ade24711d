"""A bounded folder of fetched files that the processes of a host share.

Each version of a file has a folder of its own, named by URL, version and size. The folder's being there reserves the
size; the file appears in it under its own name when it is whole. Locks are the kernel's: they end with their process.
"""

import fcntl
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from lightning_flowers.data.sources.remote.entry import Entry
from lightning_flowers.data.sources.remote.files import RemoteFile
from lightning_flowers.data.tfrecord.open_files import most_open
from lightning_flowers.errors import UserError

_KEY = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}-(\d+)")

Rank = Callable[[str], int | None]  # of a key: the lowest is evicted first, None never


class _Present(NamedTuple):
    key: str
    size: int
    used: float


class Cache:
    """The folder and its limit.

    Args:
        folder: made if need be.
        limit: bytes that all entries may take together, those that are being fetched at their full size.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._pins: dict[str, int] = {}
        self._lock = threading.Lock()

    def entry(self, file: RemoteFile) -> Entry:
        """The place of a file, whether or not it is there."""
        return Entry(self.folder, file)

    def reserve(self, entry: Entry, rank: Rank, forced: bool) -> bool:
        """Make room for an entry; whether there is some.

        Args:
            entry: what is to be fetched.
            rank: which others may go, and in which order; those of one rank go least recently used first.
            forced: whether what other processes still need may go too.

        Raises:
            UserError: it is larger than the limit, or the folder cannot be written.
        """
        if entry.file.size > self.limit:
            raise UserError(
                f"{entry.file.url}: {entry.file.size} bytes, more than the {self.limit} that may be kept of remote "
                "files at a time: raise the limit"
            )
        (self.folder / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "locks" / "folder.lock"):
            if entry.folder.is_dir():
                return True
            present = self._present()
            for old in present:
                if old.key.startswith(entry.of_url):  # another version of the same file
                    self._evict(old, forced)
            if fits := self._make_room(entry.file.size, rank, forced):
                entry.folder.mkdir()
            return fits

    @contextmanager
    def fetching(self, entry: Entry, wait: bool, stopped: Callable[[], bool]) -> Iterator[bool]:
        """Yield whether the reserved entry is this thread's alone, of all processes, until the block ends.

        Args:
            entry: what to fetch.
            wait: whether to wait for whoever has it.
            stopped: ends the waiting.
        """
        lock = self._entry_lock(entry.key)
        try:
            lock.acquire(blocking=wait, cancel_check=stopped)
        except Timeout:
            yield False
            return
        try:
            yield entry.folder.is_dir()
        finally:
            lock.release()

    def pin(self, entry: Entry) -> None:
        """Tell all processes that this one needs the entry, and that it was used now; within `fetching`."""
        self.unpin(entry.key)  # which may be of a folder that is no longer there
        folder = os.open(entry.folder, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_SH)
        with self._lock:
            self._pins[entry.key] = folder
        os.utime(entry.folder)

    def unpin(self, key: str) -> None:
        """This process no longer needs the entry."""
        with self._lock:
            if (folder := self._pins.pop(key, None)) is not None:
                os.close(folder)

    @property
    def may_pin_more(self) -> bool:
        """Whether more may be fetched before it is needed: what is pinned is an open folder."""
        return len(self._pins) < most_open()

    def has_pinned(self, entry: Entry) -> bool:
        """Whether this process needs the entry, and it is there, whole."""
        return entry.key in self._pins and entry.is_whole()

    def close(self) -> None:
        """This process needs nothing any more."""
        for key in list(self._pins):
            self.unpin(key)

    def _make_room(self, size: int, rank: Rank, forced: bool) -> bool:
        present = self._present()
        room = self.limit - sum(other.size for other in present)
        ranked = [(place, other.used, other) for other in present if (place := rank(other.key)) is not None]
        for _, _, other in sorted(ranked):
            if room >= size:
                break
            room += other.size if self._evict(other, forced) else 0
        return room >= size

    def _evict(self, old: _Present, forced: bool) -> bool:
        lock = self._entry_lock(old.key)
        try:
            lock.acquire(blocking=False)
        except Timeout:  # it is being fetched
            return False
        try:
            self.unpin(old.key)
            if not forced and self._is_needed(old.key):
                return False
            shutil.rmtree(self.folder / old.key)  # whoever has the file open reads on
            return True
        finally:
            lock.release()

    def _is_needed(self, key: str) -> bool:
        """Whether another process has pinned it."""
        folder = os.open(self.folder / key, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(folder)
        return False

    def _present(self) -> list[_Present]:
        found = []
        for folder in self.folder.iterdir():
            if match := _KEY.fullmatch(folder.name):
                found.append(_Present(folder.name, int(match[1]), folder.stat().st_mtime))
        return found

    def _entry_lock(self, key: str) -> FileLock:
        return FileLock(self.folder / "locks" / f"{key}.lock")
