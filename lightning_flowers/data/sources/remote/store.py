"""Shards from anywhere: the files under an fsspec URL, fetched ahead of need to a bounded folder of this host."""

import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import platformdirs
from filelock import FileLock

from lightning_flowers.data.sources.remote.filesystem import StoppedError
from lightning_flowers.data.sources.remote.folder import RemoteFile, RemoteFolder
from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.errors import DataError, UserError

THREADS = 3  # files that are fetched ahead at a time


class RemoteStore:
    """The files under one fsspec URL, kept in a bounded folder that this host's processes share.

    Any thread may call any method. A store cannot be taken into a forked process.

    Args:
        url: `gs://`, `s3://`, `memory://`, ...: whatever fsspec reads; or `https://` with a `listing.txt`.
        folder: where files are kept; else a folder of the user's cache folder.
        limit: bytes that all files in it may take together: of others, the longest unused go. What is got from this
            store stays, and may not be more than that.
        attempts: how often each range of a file is asked for.

    Attributes:
        url: without user, password and query, for messages.
        limit: as given.

    Raises:
        UserError: nothing that is installed can read such a URL.
    """

    def __init__(self, url: str, folder: Path | None = None, limit: int = 20 * 2**30, attempts: int = 6) -> None:
        self._remote = RemoteFolder(url, attempts)
        self._folder = folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / "shards"
        self.url, self.limit, self._stopped = self._remote.url, limit, self._remote.stopped
        self._lock = threading.Lock()  # for all that follows
        self._planned: list[str] = []
        self._own: set[Path] = set()  # folders of the files that were got
        self._threads: list[threading.Thread] = []

    def files(self) -> dict[str, int]:
        """Relative path of each shard and table, and its size in bytes.

        Raises:
            DataError: the URL cannot be listed, or there is no shard under it.
        """
        return {path: file.size for path, file in self._remote.files().items()}

    def prefetch(self, paths: Sequence[str]) -> None:
        """Fetch these ahead, in this order, before whatever was planned earlier; what fails, `get` tells of."""
        self._stopped.clear()  # after `interrupt`
        self._remote.files()  # once, not by each thread
        with self._lock:
            self._planned = list(dict.fromkeys([*paths, *self._planned]))
            while len(self._threads) < min(THREADS, len(self._planned)) and not self._stopped.is_set():
                self._threads.append(threading.Thread(target=self._work, name="fetch", daemon=True))
                self._threads[-1].start()

    def get(self, path: str) -> Path:
        """Where the file lies, whole and checked; waits for it. One that is damaged is fetched once more, as that was
        perhaps on its way.

        Raises:
            DataError: it is not there, cannot be fetched, or is damaged at its source.
            UserError: the folder cannot be written.
        """
        if (file := self._remote.files().get(path)) is None:
            raise DataError(f"{self.url}/{path}: not among the files there")
        with self._lock:
            self._planned = [other for other in self._planned if other != path]
        if (wrong := self._place(file)) and (wrong := self._place(file)):
            raise DataError(f"{wrong} (fetched twice: it is damaged there, or its name is wrong: put it there anew)")
        return self._where(file)

    def interrupt(self) -> None:
        """End all fetching and waiting, with `StoppedError`, until something is planned; what has come is kept."""
        with self._lock:
            self._planned = []
        self._stopped.set()

    def _work(self) -> None:
        """Fetch what is planned, until nothing is."""
        while path := self._take_next():
            with suppress(UserError, StoppedError):  # somebody will ask for it, and be told
                self.get(path)

    def _take_next(self) -> str | None:
        with self._lock:
            if self._planned and not self._stopped.is_set():
                return self._planned.pop(0)
            self._threads.remove(threading.current_thread())
            return None

    def _where(self, file: RemoteFile) -> Path:
        """Each version of a file has a folder of its own; its name stays, as a shard's is part of what is checked."""
        key = hashlib.sha256(f"{file.url} {file.version} {file.size}".encode()).hexdigest()[:24]
        return self._folder / key / PurePosixPath(file.url).name

    def _place(self, file: RemoteFile) -> str:
        """Have a file in its place; gives what is wrong with it, if anything is."""
        whole = self._where(file)
        lock = self._lock_of(whole.parent.name)
        try:
            (self._folder / "locks").mkdir(parents=True, exist_ok=True)
            lock.acquire(cancel_check=self._stopped.is_set)
            try:  # meanwhile nobody else, of all threads and processes, fetches it
                return self._fetch(file, whole)
            finally:
                lock.release()
        except OSError as error:
            self._remote.check_open()
            raise UserError(
                f"{self._folder}: remote files cannot be kept there: {error.strerror or error}: make room, or "
                "set XDG_CACHE_HOME to another folder"
            ) from error

    def _fetch(self, file: RemoteFile, whole: Path) -> str:
        """Fetch a file, or go on from what has come of it; gives what is wrong with it."""
        with self._lock:
            self._own.add(whole.parent)
        with suppress(FileNotFoundError):
            os.utime(whole)  # it was used now
            return ""
        part = self._folder / f"{whole.parent.name}.part" / whole.name
        part.parent.mkdir(exist_ok=True)
        self._make_room(file.size)
        with part.open("ab") as opened:
            for piece in self._remote.pieces(file, opened.tell()):
                opened.write(piece)
                opened.flush()
            os.fsync(opened.fileno())
        wrong = _check(part, file)
        with self._lock_of("folder"):
            whole.parent.mkdir(exist_ok=True)
            part.unlink() if wrong else os.replace(part, whole)
            part.parent.rmdir()
        return wrong

    def _make_room(self, size: int) -> None:
        """Remove the files of other stores, the longest unused first, but for those that are being fetched. Who has one
        open reads on."""
        with self._lock_of("folder"), self._lock:
            kept = [path for path in self._folder.glob("*/*") if path.suffix != ".lock"]
            left = size + sum(path.stat().st_size for path in kept)
            others = (path for path in kept if path.parent.with_suffix("") not in self._own)
            for path in sorted(others, key=lambda path: path.stat().st_mtime):
                if left > self.limit:
                    with suppress(OSError), self._lock_of(path.parent.stem).acquire(timeout=0):
                        length = path.stat().st_size
                        path.unlink()  # Windows removes no open file
                        left -= length
                        path.parent.rmdir()

    def _lock_of(self, name: str) -> FileLock:
        """For those who fetch a file, by its folder's name; or `folder`, who move or remove files, or look at all."""
        return FileLock(self._folder / "locks" / f"{name}.lock")


def _check(part: Path, file: RemoteFile) -> str:
    """Read every record of a shard, which must be as many as its name says; a file of another kind passes."""
    if ".tfrec" not in part.name:
        return ""
    try:
        shard = Shard(part)
        for record in range(len(shard)):
            shard.payload(record)
    except DataError as error:
        return str(error).replace(str(part), file.url)
    return ""
