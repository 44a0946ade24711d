"""Shards from anywhere: the files under an fsspec URL, fetched ahead of need to a bounded folder of this host."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from lightning_flowers.data.sources.remote.cache import Cache, Held
from lightning_flowers.data.sources.remote.filesystem import StoppedError
from lightning_flowers.data.sources.remote.folder import RemoteFile, RemoteFolder
from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.errors import DataError, UserError

THREADS = 3  # files that are fetched ahead at a time
MOST_AHEAD = 32  # files that are kept for being needed soon
PATIENCE = 5.0  # seconds that `get` waits for room before it takes that of files in use
_IDLE = 0.1  # seconds between looks for room
_JOIN = 5.0  # seconds: drivers that are not asynchronous cannot be interrupted


class DamagedError(DataError):
    """A file that came whole but did not pass its check."""


def check_shard(path: Path) -> None:
    """Read every record of a shard; a file of another kind passes.

    Raises:
        DataError: the shard is damaged, or holds another number of records than its name says.
    """
    if ".tfrec" in path.name:
        shard = Shard(path)
        for record in range(len(shard)):
            shard.payload(record)


class RemoteStore:
    """The files under one fsspec URL, kept in a bounded folder that this host's processes share.

    Any thread may call any method. A store cannot be taken into a forked process.

    Args:
        url: `gs://`, `s3://`, `memory://`, ...: whatever fsspec reads; or `https://` with a `listing.txt`.
        folder: where files are kept; else a folder of the user's cache folder.
        limit: bytes that all files in it may take together.
        attempts: how often each range of a file, and each damaged file, is asked for.
        check: raises DataError if a file is damaged; gets it under its own name.

    Attributes:
        url: without user, password and query, for messages.

    Raises:
        UserError: nothing that is installed can read such a URL.
    """

    def __init__(
        self,
        url: str,
        folder: Path | None = None,
        limit: int = 20 * 2**30,
        attempts: int = 6,
        check: Callable[[Path], None] = check_shard,
    ) -> None:
        self._remote = RemoteFolder(url, attempts)
        self._cache = Cache(folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / "shards", limit)
        self.url, self._check = self._remote.url, check
        self._stopped = self._remote.filesystem.stopped
        self._turn = threading.Lock()  # room is given out in the plan's order, and first to who waits
        self._lock = threading.Lock()  # for all that follows
        self._planned: list[str] = []
        self._ahead: dict[str, Held] = {}  # taken from the plan, and nobody has asked for it yet
        self._using: dict[str, Held] = {}
        self._waiting = 0  # calls of `get`
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
            while len(self._threads) < THREADS and not self._stopped.is_set():
                self._threads.append(threading.Thread(target=self._work, name="fetch", daemon=True))
                self._threads[-1].start()

    def get(self, path: str) -> Path:
        """Where the file lies, whole and checked, until `release`; waits for it.

        Raises:
            DataError: it is not there, cannot be fetched, or is damaged at its source.
            UserError: it is larger than the limit, or the folder cannot be written.
        """
        with self._lock:
            self._waiting += 1
            self._take(path)
        try:
            held = self._fetch(path)
            with self._lock:
                self._using[path], self._served = held, True
                self._ahead.pop(path, None)
        finally:
            with self._lock:
                self._waiting -= 1
        return held.path

    def release(self, path: str) -> None:
        """Nobody in this process needs the file for now, however often they got it: it may go."""
        with self._lock:
            self._take(path)
            for held in (self._ahead, self._using):
                held.pop(path, None)

    def close(self) -> None:
        """End all fetching; what has come of a file is kept, and gone on from the next time."""
        self._remote.filesystem.close()
        for thread in list(self._threads):
            thread.join(_JOIN)
        self._ahead, self._using = {}, {}

    def _work(self) -> None:
        """Fetch what is planned, until nothing is."""
        while self._goes_on():
            with suppress(UserError, StoppedError):  # somebody will ask for it, and be told
                if not self._fetch_next():
                    self._stopped.wait(_IDLE)

    def _goes_on(self) -> bool:
        with self._lock:
            goes_on = bool(self._planned) and not self._stopped.is_set()
            if not goes_on:
                self._threads.remove(threading.current_thread())
            return goes_on

    def _fetch_next(self) -> bool:
        """Fetch what is planned next; False where it is not time to, or there is no room."""
        with self._turn:
            path = self._next()
            if path is None:
                return False
            file, held = self._place(path)
            with self._lock:
                if held is None or not self._take(path):  # somebody else has asked for it by now
                    return held is not None
                self._ahead[path] = held
        try:
            self._fill(file, held)
        except BaseException:
            with self._lock:
                self._ahead.pop(path, None)
            raise
        self._served = True
        return True

    def _next(self) -> str | None:
        with self._lock:
            if not self._planned or len(self._ahead) >= MOST_AHEAD:
                return None
            # The first file is wanted soonest, all alone; later, more than one connection is faster.
            coming = self._waiting or not all(held.is_whole() for held in self._ahead.values())
            return self._planned[0] if self._served or not coming else None

    def _place(self, path: str) -> tuple[RemoteFile, Held | None]:
        """A planned file's version, and its place, if there is room."""
        try:
            file = self._remote.stat(path)
            return file, self._hold(file)
        except UserError:
            with self._lock:
                self._take(path)
            raise

    def _take(self, path: str) -> bool:
        """Take it from the plan, if it is still planned."""
        if planned := path in self._planned:
            self._planned.remove(path)
        return planned

    def _fetch(self, path: str) -> Held:
        """Fetch a file that somebody waits for, until it is undamaged."""
        said: list[str] = []
        while True:
            file = self._remote.stat(path, anew=bool(said))
            held = self._hold(file) or self._wait_for_room(file)
            try:
                if self._fill(file, held):
                    return held
            except DamagedError as error:
                said.append(str(error))
                # The same damage twice is the source's.
                if len(said) == self._remote.attempts or said[-2:-1] == said[-1:]:
                    raise DataError(
                        f"{error} (fetched {len(said)} times: what lies there is damaged, or its name is wrong: put it "
                        "there anew)"
                    ) from error

    def _wait_for_room(self, file: RemoteFile) -> Held:
        began = time.monotonic()
        with self._turn:
            while True:
                if held := self._hold(file, forced=time.monotonic() - began > PATIENCE):
                    return held
                self._remote.filesystem.check_open()
                if not self._give_back_one():
                    self._stopped.wait(_IDLE)

    def _give_back_one(self) -> bool:
        """Plan again what was fetched ahead and will be needed last; whether there was such a file."""
        with self._lock:
            path = next((path for path in reversed(self._ahead) if self._ahead[path].is_whole()), None)
            if path is not None:
                del self._ahead[path]
                self._planned.insert(0, path)
            return path is not None

    def _hold(self, file: RemoteFile, forced: bool = False) -> Held | None:
        with self._writing():
            return self._cache.hold(file, forced)

    def _fill(self, file: RemoteFile, held: Held) -> bool:
        """Fetch a file into its place, or go on from what has come of it; False: its place was taken meanwhile."""
        with self._writing(), self._cache.filling(held, self._stopped.is_set):
            if held.is_whole() or not held.folder.is_dir():
                return held.is_whole()
            held.part.parent.mkdir(exist_ok=True)
            with held.part.open("ab") as out:
                for piece in self._remote.pieces(file, out.tell()):
                    out.write(piece)
                    out.flush()
                os.fsync(out.fileno())
            self._check_part(file, held)
            os.replace(held.part, held.path)
            return True

    def _check_part(self, file: RemoteFile, held: Held) -> None:
        try:
            self._check(held.part)
        except DataError as error:
            held.part.unlink()
            raise DamagedError(str(error).replace(str(held.part), file.url)) from error

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
