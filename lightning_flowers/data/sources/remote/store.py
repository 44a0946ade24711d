"""Shards from anywhere: the files under an fsspec URL, fetched ahead of need to a bounded folder of this host."""

import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import platformdirs
from filelock import FileLock

from lightning_flowers.data.sources.remote.filesystem import StoppedError
from lightning_flowers.data.sources.remote.folder import RemoteFile, RemoteFolder
from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.portable import mark_used, open_number, remove_unused

THREADS = 3  # files that are fetched ahead at a time
_LOOK = 0.1  # seconds between looks for room
_JOIN = 5.0  # seconds: drivers that are not asynchronous cannot be interrupted


class RemoteStore:
    """The files under one fsspec URL, kept in a bounded folder that this host's processes share.

    Any thread may call any method. A store cannot be taken into a forked process.

    Args:
        url: `gs://`, `s3://`, `memory://`, ...: whatever fsspec reads; or `https://` with a `listing.txt`.
        folder: where files are kept; else a folder of the user's cache folder.
        limit: bytes that all files in it may take together.
        attempts: how often each range of a file is asked for.

    Attributes:
        url: without user, password and query, for messages.

    Raises:
        UserError: nothing that is installed can read such a URL.
    """

    def __init__(self, url: str, folder: Path | None = None, limit: int = 20 * 2**30, attempts: int = 6) -> None:
        self._remote = RemoteFolder(url, attempts)
        self._folder = folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / "shards"
        self.url, self._limit, self._stopped = self._remote.url, limit, self._remote.filesystem.stopped
        self._lock = threading.Condition(threading.Lock())  # for all that follows
        self._planned: list[str] = []
        self._needed: dict[str, int] = {}  # bytes of those in use, being fetched, or fetched ahead
        self._threads: list[threading.Thread] = []

    def files(self) -> dict[str, int]:
        """Relative path of each shard and table, and its size in bytes.

        Raises:
            DataError: the URL cannot be listed, or there is no shard under it.
        """
        return self._remote.files()

    def prefetch(self, paths: Sequence[str]) -> None:
        """Fetch these ahead, in this order, before whatever was planned earlier; what fails, `get` tells of."""
        self.files()
        with self._lock:
            self._planned = list(dict.fromkeys([*paths, *self._planned]))
            self._go_on()
            while len(self._threads) < THREADS and not self._stopped.is_set():
                self._threads.append(threading.Thread(target=self._work, name="fetch", daemon=True))
                self._threads[-1].start()

    def get(self, path: str) -> Path:
        """Where the file lies, whole and checked; waits for it. It stays until `release`.

        Raises:
            DataError: it is not there, cannot be fetched, or is damaged at its source.
            UserError: it is larger than the limit, or the folder cannot be written.
        """
        if (size := self.files().get(path)) is None:
            raise DataError(f"{self.url}/{path}: not among the files there")
        with self._lock:
            self._take(path, size)
        return self._fetch(path)

    def open(self, path: str) -> int:
        """The file's descriptor, open to be read; waits as `get` does, and raises what that raises."""
        while True:
            with suppress(FileNotFoundError):  # another process had no room
                number = open_number(self.get(path), os.O_RDONLY)
                mark_used(number)
                return number

    def release(self, path: str) -> None:
        """Nobody in this process needs the file for now, however often they got it: it may go where room is needed."""
        self._forget(path)
        self._go_on()

    def interrupt(self) -> None:
        """End all fetching and waiting, with `StoppedError`, until something is released or planned."""
        with self._lock:
            self._planned = []
        self._stopped.set()

    def close(self) -> None:
        """End all fetching; what has come of a file is kept, and gone on from the next time."""
        self._remote.filesystem.close()
        for thread in list(self._threads):
            thread.join(_JOIN)

    def _take(self, path: str, size: int) -> None:
        self._planned = [other for other in self._planned if other != path]
        self._needed[path] = size

    def _forget(self, path: str) -> None:
        with self._lock:
            self._planned = [other for other in self._planned if other != path]
            self._needed.pop(path, None)

    def _go_on(self) -> None:
        """Fetch again after `interrupt`."""
        if self._remote.filesystem.close.alive:
            self._stopped.clear()

    def _work(self) -> None:
        """Fetch what is planned, until nothing is."""
        while path := self._take_next():
            with suppress(UserError, StoppedError):  # somebody will ask for it, and be told
                self._fetch(path)

    def _take_next(self) -> str | None:
        """Take what is planned next, once it fits beside what else is needed; None where nothing is planned."""
        with self._lock:
            while self._planned and not self._stopped.is_set():
                path, sizes = self._planned[0], self.files()
                if not self._needed or sum(self._needed.values()) + sizes[path] <= self._limit:
                    self._take(path, sizes[path])
                    return path
                self._lock.wait(_LOOK)
            self._threads.remove(threading.current_thread())
            return None

    def _fetch(self, path: str) -> Path:
        """Bring a file that was taken from the plan; one that is damaged once more, as that was perhaps on its way."""
        try:
            wrong = ""
            for anew in (False, True):
                file = self._remote.stat(path, anew)
                if not (wrong := self._place(file)):
                    return self._where(file)
            raise DataError(
                f"{wrong} (fetched twice: what lies there is damaged, or its name is wrong: put it there anew)"
            )
        except BaseException:
            self._forget(path)
            raise

    def _where(self, file: RemoteFile) -> Path:
        """Each version of a file has a folder of its own; its name stays, as a shard's is part of what is checked."""
        key = hashlib.sha256(f"{file.url} {file.version} {file.size}".encode()).hexdigest()[:24]
        return self._folder / key / PurePosixPath(file.url).name

    def _place(self, file: RemoteFile) -> str:
        """Have a file in its place; gives what is wrong with it, if anything is."""
        if file.size > self._limit:
            raise UserError(
                f"{file.url}: {file.size} bytes, more than the {self._limit} that may be kept of remote files at a "
                "time: raise the limit (--data.remote_limit)"
            )
        whole = self._where(file)
        lock = FileLock(self._folder / "locks" / f"{whole.parent.name}.lock")
        try:
            (self._folder / "locks").mkdir(parents=True, exist_ok=True)
            lock.acquire(cancel_check=self._stopped.is_set)
            try:  # meanwhile nobody else, of all threads and processes, fetches it
                part = self._begin(file, whole)
                return self._fill(file, part, whole) if part else ""
            finally:
                lock.release()
        except OSError as error:
            self._remote.filesystem.check_open()
            raise UserError(
                f"{self._folder}: remote files cannot be kept there: {error.strerror or error}: make room, or "
                "set XDG_CACHE_HOME to another folder"
            ) from error

    def _begin(self, file: RemoteFile, whole: Path) -> BinaryIO | None:
        """Open what has come of a file, once there is room for all of it; None where it is there already."""
        with self._folder_lock():
            if whole.exists():
                os.utime(whole)  # it was used now
                return None
            self._make_room(file.size)
            whole.parent.mkdir(exist_ok=True)
            part = whole.with_name(f"{whole.name}.part").open("ab")
            mark_used(part.fileno())
            return part

    def _make_room(self, size: int) -> None:
        """Remove files that nobody needs here, nor has open anywhere, the longest unused first."""
        with self._lock:
            needed = {self._where(self._remote.stat(path)).parent for path in self._needed}
            coming = max(size, sum(self._needed.values()))
        kept = [path for path in self._folder.glob("*/*") if path.suffix != ".lock" and path.parent not in needed]
        others = sorted(((path.stat(), path) for path in kept), key=lambda other: other[0].st_mtime)
        left = sum(status.st_size for status, _ in others)
        for status, path in others:
            if left + coming > self._limit:
                with suppress(OSError):
                    remove_unused(path)
                    left -= status.st_size
                    path.parent.rmdir()

    def _fill(self, file: RemoteFile, part: BinaryIO, whole: Path) -> str:
        """Fetch a file, or go on from what has come of it; gives what is wrong with it."""
        with part:
            for piece in self._remote.pieces(file, part.tell()):
                part.write(piece)
                part.flush()
            os.fsync(part.fileno())
            wrong = _check(Path(part.name), whole, file)  # while it is open nobody removes it
            with self._folder_lock():  # nor between its closing, without which Windows does not move it, and its move
                part.close()
                Path(part.name).unlink() if wrong else os.replace(part.name, whole)
        return wrong

    def _folder_lock(self) -> FileLock:
        """For those who move or remove files, or look at all that are there."""
        return FileLock(self._folder / "locks" / "folder.lock")


def _check(part: Path, whole: Path, file: RemoteFile) -> str:
    """Read every record of a shard, which must be as many as its name says; a file of another kind passes."""
    if ".tfrec" not in whole.name:
        return ""
    try:
        shard = Shard(whole, opener=lambda: os.open(part, os.O_RDONLY))
        for record in range(len(shard)):
            shard.payload(record)
    except DataError as error:
        return str(error).replace(str(whole), file.url)
    return ""
