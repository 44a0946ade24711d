"""Brings one remote file at a time to its place in the cache: room, lock, bytes, check."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from lightning_flowers.data.sources.remote.cache import Cache
from lightning_flowers.data.sources.remote.driver import StoppedError
from lightning_flowers.data.sources.remote.entry import DamagedError, Entry
from lightning_flowers.data.sources.remote.files import Remote, RemoteFile
from lightning_flowers.data.sources.remote.needs import DONE, UNKNOWN, Needs
from lightning_flowers.errors import DataError, UserError


class Courier:
    """What the threads of a store do. Any number of them may call any method.

    Args:
        remote: where files come from.
        cache: where they go.
        needs: which, and in which order.
        check: raises DataError if a file is damaged.
    """

    def __init__(self, remote: Remote, cache: Cache, needs: Needs, check: Callable[[Path], None]) -> None:
        self._remote, self._cache, self._needs, self._check = remote, cache, needs, check
        self._entries: dict[str, Entry] = {}
        self._turn = threading.Lock()  # room is given out in the plan's order

    def attempt(self, path: str, forced: bool) -> Entry | None:
        """What somebody waits for, if it is here or can be brought now; waits for the network and other processes.

        Args:
            path: a wanted file.
            forced: whether files in use may go where there is no room.

        Raises:
            UserError: it cannot be brought.
            StoppedError: the driver is closed.
        """
        if path in self._needs.failed:
            raise self._needs.failed[path]
        if self._is_here(path):
            return self._entries[path]
        if not self._needs.claim(path):
            return None
        got = None
        try:
            entry = self._place(path, forced)
            got = entry and self._fetch(path, entry, True)
        finally:
            self._needs.release(path, got is not None)
        return got

    def advance(self) -> bool:
        """Bring one planned file ahead of need; whether there was one to bring."""
        with self._turn:
            path = self._needs.claim_next(self._is_here) if self._cache.may_pin_more else None
            if path is None:
                return False
            entry = self._ahead(path, lambda: self._place(path, False))
            if entry is None:
                self._needs.release(path, False)
                return True
        got = self._ahead(path, lambda: self._fetch(path, entry, False))
        self._needs.release(path, got is not None)
        return True

    def drop(self, path: str) -> None:
        """Let other processes evict it."""
        if path in self._entries:
            self._cache.unpin(self._entries[path].key)

    def _is_here(self, path: str) -> bool:
        entry = self._entries.get(path)
        return entry is not None and self._cache.has_pinned(entry)

    def _ahead(self, path: str, step: Callable[[], Entry | None]) -> Entry | None:
        """A step towards a file that nobody waits for yet: what fails is told once somebody does."""
        try:
            return step()
        except UserError as error:
            self._needs.failed[path] = error
        except StoppedError:
            pass
        except BaseException:
            self._needs.release(path, False)
            raise
        return None

    def _place(self, path: str, forced: bool) -> Entry | None:
        """Room for the file; None: there is none now."""
        self._remote.driver.check_open()
        entry = self._enter(path, self._remote.stat(path))
        with self._writing():
            if self._cache.reserve(entry, self._rank(path, forced), forced):
                self._needs.find_room(path)
                return entry
        self._needs.lack_room(path)
        return None

    def _fetch(self, path: str, entry: Entry, wait: bool) -> Entry | None:
        """The file in its place, fetched here or by another process; None: not now."""
        stopped = self._remote.driver.stopped.is_set
        with self._writing(), self._cache.fetching(entry, wait, stopped) as alone:
            if not alone:
                self._needs.put_aside(path)
                return None
            if not entry.is_whole() and not self._fill(path, entry):
                return None
            self._cache.pin(entry)
        return entry

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self._cache.folder}: remote files cannot be kept there: {error.strerror or error}: make room, or "
                "set XDG_CACHE_HOME to another folder"
            ) from error

    def _enter(self, path: str, file: RemoteFile) -> Entry:
        entry = self._cache.entry(file)
        old, self._entries[path] = self._entries.get(path), entry
        if old is not None and old.key != entry.key:
            self._cache.unpin(old.key)
        return entry

    def _rank(self, path: str, forced: bool) -> Callable[[str], int | None]:
        ranks = self._needs.ranks(path, forced)
        paths = {entry.key: other for other, entry in list(self._entries.items())}
        return lambda key: ranks.get(paths[key], DONE) if key in paths else UNKNOWN

    def _fill(self, path: str, entry: Entry) -> bool:
        """Fetch the file until it is undamaged; False: it must wait, or is another one by now."""
        said: list[str] = []
        while True:
            try:
                entry.fill(partial(self._pieces, path, entry.file), self._check)
                return True
            except _GaveWayError:
                return False
            except DataError as error:
                if self._has_changed(path, entry.file):
                    return False
                said.append(str(error))
                if not isinstance(error, DamagedError):
                    raise
                # The same damage twice is the source's.
                if len(said) == self._remote.attempts or said[-2:-1] == said[-1:]:
                    raise DataError(
                        f"{error} (fetched {len(said)} times: what lies there is damaged, or its name is wrong: put it "
                        "there anew)"
                    ) from error

    def _pieces(self, path: str, file: RemoteFile, start: int) -> Iterator[bytes]:
        for piece in self._remote.pieces(file, start):
            yield piece
            if self._needs.must_give_way(path):
                raise _GaveWayError

    def _has_changed(self, path: str, file: RemoteFile) -> bool:
        with suppress(DataError):
            return self._remote.stat(path, attempts=1) != file
        return False


class _GaveWayError(Exception):
    pass
