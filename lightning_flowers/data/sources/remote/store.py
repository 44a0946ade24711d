"""Shards from anywhere: the files under an fsspec URL, fetched ahead of need to a bounded folder of this host."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import platformdirs

from lightning_flowers.data.sources.remote.cache import Cache
from lightning_flowers.data.sources.remote.filesystem import StoppedError
from lightning_flowers.data.sources.remote.folder import RemoteFile, RemoteFolder
from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.errors import DataError, UserError

THREADS = 3  # files that are fetched ahead at a time
_IDLE = 0.1  # seconds between looks for room
_JOIN = 5.0  # seconds: drivers that are not asynchronous cannot be interrupted


class DamagedError(DataError):
    """A file that came whole but did not pass its check."""


class RemoteStore:
    """The files under one fsspec URL, kept in a bounded folder that this host's processes share.

    Any thread may call any method. A store cannot be taken into a forked process.

    Args:
        url: `gs://`, `s3://`, `memory://`, ...: whatever fsspec reads; or `https://` with a `listing.txt`.
        folder: where files are kept; else a folder of the user's cache folder.
        limit: bytes that all files in it may take together.
        attempts: how often each range of a file, and each damaged file, is asked for.

    Attributes:
        url: without user, password and query, for messages.

    Raises:
        UserError: nothing that is installed can read such a URL.
    """

    def __init__(self, url: str, folder: Path | None = None, limit: int = 20 * 2**30, attempts: int = 6) -> None:
        self._remote = RemoteFolder(url, attempts)
        self._cache = Cache(folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / "shards", limit)
        self.url, self._stopped = self._remote.url, self._remote.filesystem.stopped
        self._turn = threading.Lock()  # the plan is fetched in its order
        self._lock = threading.Lock()  # for all that follows
        self._planned: list[str] = []
        self._needed: dict[str, RemoteFile] = {}  # in use, being fetched, or fetched ahead
        self._busy = 0  # files that are being fetched
        self._served = False  # whether a file has come since there is this plan
        self._threads: list[threading.Thread] = []

    def files(self) -> dict[str, int | None]:
        """Relative path of each shard and table, and its size in bytes (None where a listing does not say).

        Raises:
            DataError: the URL cannot be listed, or there is no shard under it.
        """
        return self._remote.files()

    def prefetch(self, paths: Sequence[str]) -> None:
        """Fetch these ahead, in this order, before whatever was planned earlier; what fails, `get` tells of."""
        with self._lock:
            self._planned = list(dict.fromkeys([*paths, *self._planned]))
            self._served = False
            self._go_on()
            while len(self._threads) < THREADS and not self._stopped.is_set():
                self._threads.append(threading.Thread(target=self._work, name="fetch", daemon=True))
                self._threads[-1].start()

    def get(self, path: str) -> Path:
        """Where the file lies, whole and checked; waits for it. It stays, but for want of room, until `release`.

        Raises:
            DataError: it is not there, cannot be fetched, or is damaged at its source.
            UserError: it is larger than the limit, or the folder cannot be written.
        """
        self._take(path, self._remote.stat(path))
        return self._fetch(path)

    def open(self, path: str) -> int:
        """The file's descriptor, open to be read; waits as `get` does, and raises what that raises."""
        while True:
            with suppress(FileNotFoundError):  # another process had no room
                return os.open(self.get(path), os.O_RDONLY)

    def release(self, path: str) -> None:
        """Nobody in this process needs the file for now, however often they got it: it may go first."""
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

    def _forget(self, path: str) -> None:
        with self._lock:
            if path in self._planned:
                self._planned.remove(path)
            if file := self._needed.pop(path, None):
                self._cache.release(file)

    def _go_on(self) -> None:
        """Fetch again after `interrupt`."""
        if self._remote.filesystem.close.alive:
            self._stopped.clear()

    def _work(self) -> None:
        """Fetch what is planned, until nothing is."""
        while self._goes_on():
            with suppress(UserError, StoppedError):  # somebody will ask for it, and be told
                if path := self._take_next():
                    self._fetch(path)
                else:
                    self._stopped.wait(_IDLE)

    def _goes_on(self) -> bool:
        with self._lock:
            goes_on = bool(self._planned) and not self._stopped.is_set()
            if not goes_on:
                self._threads.remove(threading.current_thread())
            return goes_on

    def _take_next(self) -> str | None:
        """Take what is planned next from the plan, if it is time to and it fits beside what else is needed."""
        with self._turn:
            with self._lock:
                # The first file is wanted soonest, all alone; later, more than one connection is faster.
                path = next(iter(self._planned), None) if self._served or not self._busy else None
            if path is None:
                return None
            try:
                file = self._remote.stat(path)
            except UserError:
                self._forget(path)
                raise
            needed = sum(other.size for other in list(self._needed.values()))
            fits = path in self._needed or needed + file.size <= self._cache.limit
            return path if fits and self._take(path, file, planned=True) else None

    def _take(self, path: str, file: RemoteFile, planned: bool = False) -> bool:
        """Take a file from the plan, to fetch it; not where it must be `planned` and somebody else has taken it."""
        with self._lock:
            if planned and path not in self._planned:
                return False
            self._planned = [other for other in self._planned if other != path]
            self._needed[path] = file
            self._busy += 1
            return True

    def _fetch(self, path: str) -> Path:
        """Bring a file that was taken from the plan."""
        try:
            found = self._undamaged(path)
            self._served = True
            return found
        except BaseException:
            self._forget(path)
            raise
        finally:
            with self._lock:
                self._busy -= 1

    def _undamaged(self, path: str) -> Path:
        """Fetch a file until it is undamaged; the same damage twice is the source's."""
        said: list[str] = []
        while True:
            file = self._remote.stat(path, anew=bool(said))
            try:
                if found := self._place(file):
                    return found
            except DamagedError as error:
                said.append(str(error))
                if len(said) == self._remote.attempts or said[-2:-1] == said[-1:]:
                    raise DataError(
                        f"{error} (fetched {len(said)} times: what lies there is damaged, or its name is wrong: put it "
                        "there anew)"
                    ) from error

    def _place(self, file: RemoteFile) -> Path | None:
        """Where a file lies, if there was room for it."""
        with self._writing():
            folder = self._cache.reserve(file)
            if folder is None:
                self._stopped.wait(_IDLE)
                self._remote.filesystem.check_open()
                return None
            with self._cache.filling(folder, self._stopped.is_set):
                return self._fill(file, folder) if folder.is_dir() else None  # else it had to go meanwhile

    def _fill(self, file: RemoteFile, folder: Path) -> Path:
        """Fetch a file into its folder, or go on from what has come of it."""
        name = PurePosixPath(file.url).name  # a shard's is part of what is checked
        whole, part = folder / name, folder / "part" / name
        if not whole.exists():
            part.parent.mkdir(exist_ok=True)
            with part.open("ab") as out:
                for piece in self._remote.pieces(file, out.tell()):
                    out.write(piece)
                    out.flush()
                os.fsync(out.fileno())
            _check(part, file)
            os.replace(part, whole)
        os.utime(folder)  # it was used now
        return whole

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._remote.filesystem.check_open()
            raise UserError(
                f"{self._cache.folder}: remote files cannot be kept there: {error.strerror or error}: make room, or "
                "set XDG_CACHE_HOME to another folder"
            ) from error


def _check(part: Path, file: RemoteFile) -> None:
    """Read every record of a shard, which must be as many as its name says; a file of another kind passes."""
    if ".tfrec" not in part.name:
        return
    try:
        shard = Shard(part)
        for record in range(len(shard)):
            shard.payload(record)
    except DataError as error:
        part.unlink()
        raise DamagedError(str(error).replace(str(part), file.url)) from error
