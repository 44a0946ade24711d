"""Shards from anywhere: the files under an fsspec URL, fetched ahead of need to a bounded folder of this host."""

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs

from lightning_flowers.data.sources.remote.cache import Cache
from lightning_flowers.data.sources.remote.courier import Courier
from lightning_flowers.data.sources.remote.files import Remote
from lightning_flowers.data.sources.remote.needs import Needs
from lightning_flowers.data.tfrecord.shard import Shard

THREADS = 3  # files that are fetched ahead at a time
PATIENCE = 5.0  # seconds that `get` waits for room before it takes that of files in use
_JOIN = 5.0  # seconds: drivers that are not asynchronous cannot be interrupted
_IDLE = 0.5  # seconds between looks at what other processes have done


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
        waited: seconds that callers of `get` have waited.

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
        self.waited = 0.0
        self._remote = Remote(url, attempts)
        self.url = self._remote.url
        self._cache = Cache(folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / "shards", limit)
        self._needs = Needs()
        self._courier = Courier(self._remote, self._cache, self._needs, check)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, _close, self._remote, self._needs, self._threads, self._cache)

    @property
    def fetched_bytes(self) -> int:
        """Bytes of files' contents that came over the network."""
        return self._remote.fetched_bytes

    def files(self) -> dict[str, int | None]:
        """Relative path of each shard and table, and its size in bytes (None where a listing does not say).

        Raises:
            DataError: the URL cannot be listed, or there is no shard under it.
        """
        return self._remote.files()

    def plan(self, paths: Sequence[str]) -> None:
        """Fetch these ahead, in this order, before whatever was planned earlier; what fails, `get` tells of."""
        self._needs.plan(paths)
        with self._lock:
            if self._threads or not self._end.alive:
                return
            arguments = (self._courier, self._needs, self._remote.driver.stopped)
            for number in range(THREADS):
                thread = threading.Thread(target=_work, args=arguments, name=f"fetch-{number}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def get(self, path: str) -> Path:
        """Where the file lies, whole and checked, until `done`; waits for it, before all that is planned.

        Raises:
            DataError: it is not there, cannot be fetched, or is damaged at its source.
            UserError: it is larger than the limit, or the folder cannot be written.
        """
        began = time.perf_counter()
        entry = None
        self._needs.want(path)
        try:
            while entry is None:
                heard = self._needs.changes
                entry = self._courier.attempt(path, forced=time.perf_counter() - began > PATIENCE)
                if entry is None:
                    self._needs.wait(heard, _IDLE)
            return entry.path
        finally:
            self._needs.satisfy(path, entry is not None)
            with self._lock:
                self.waited += time.perf_counter() - began

    def done(self, path: str) -> None:
        """Nobody in this process needs the file for now, however often they got it: it goes first."""
        if self._needs.finish(path):
            self._courier.drop(path)

    def close(self) -> None:
        """End all fetching; what has come of a file is kept, and gone on from the next time."""
        self._end()


def _work(courier: Courier, needs: Needs, stopped: threading.Event) -> None:
    while not stopped.is_set():
        heard = needs.changes
        if not courier.advance():
            needs.wait(heard, _IDLE)


def _close(remote: Remote, needs: Needs, threads: list[threading.Thread], cache: Cache) -> None:
    remote.driver.close()
    needs.ring()
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(_JOIN)
    cache.close()
