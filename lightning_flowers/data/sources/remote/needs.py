"""Which remote files a process needs, in what order, and what its threads are doing about it."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from lightning_flowers.errors import UserError

DONE, UNKNOWN, PLANNED = 0, 1, 2  # who goes first when there must be room


class Needs:
    """The plan, what is in use, and who fetches what. Any thread may call any method.

    Attributes:
        changes: counts what others may be waiting for.
        failed: why a file could not be fetched ahead.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.failed: dict[str, UserError] = {}
        self._changed = threading.Condition()
        self._plan: list[str] = []
        self._using: set[str] = set()
        self._busy: set[str] = set()
        self._wanted: Counter[str] = Counter()
        self._unplaced: set[str] = set()  # wanted, and no room was found yet
        self._pressed: set[str] = set()  # of those, what there is none for
        self._aside: set[str] = set()  # another process fetches it
        self._full = False
        self._served = False

    def plan(self, paths: Sequence[str]) -> None:
        """Put paths before what is planned."""
        with self._changed:
            self._plan = list(dict.fromkeys([*paths, *self._plan]))
            for path in paths:
                self.failed.pop(path, None)
            self.ring()

    def want(self, path: str) -> None:
        """Somebody waits for this one."""
        with self._changed:
            self.failed.pop(path, None)
            self._plan = [planned for planned in self._plan if planned != path]
            self._wanted[path] += 1
            self._using.add(path)
            self._unplaced.add(path)

    def satisfy(self, path: str, got: bool) -> None:
        """Somebody no longer waits for this one."""
        with self._changed:
            self._served = self._served or got
            self._wanted -= Counter([path])
            if not self._wanted[path]:
                self.find_room(path)
            if not got:
                self._using.discard(path)
            self.ring()

    def finish(self, path: str) -> bool:
        """It is no longer in use; whether it is not planned either."""
        with self._changed:
            self._using.discard(path)
            self.ring()
            return path not in self._plan

    def claim(self, path: str) -> bool:
        """Whether the caller is now the one thread that fetches this one."""
        with self._changed:
            if path in self._busy:
                return False
            self._busy.add(path)
            return True

    def claim_next(self, is_here: Callable[[str], bool]) -> str | None:
        """Claim the first planned file that is neither here nor being fetched, if it is time to fetch ahead."""
        with self._changed:
            if self._full or self._unplaced or self._is_urgent():
                return None
            put_off = self._busy | self._aside | self.failed.keys()
            path = next((path for path in self._plan if path not in put_off and not is_here(path)), None)
            if path is not None:
                self._busy.add(path)
            return path

    def release(self, path: str, got: bool) -> None:
        """The caller no longer fetches this one."""
        with self._changed:
            self._busy.discard(path)
            if got or path in self.failed or self._wanted[path] or self._pressed:
                self.ring()

    def find_room(self, path: str) -> None:
        """There is room for this one."""
        with self._changed:
            self._unplaced.discard(path)
            self._pressed.discard(path)

    def lack_room(self, path: str) -> None:
        """There is none for this one: fetch nothing ahead until something changes."""
        with self._changed:
            if self._wanted[path]:
                self._pressed.add(path)
            self._full = True

    def put_aside(self, path: str) -> None:
        """Another process fetches this one: look again later."""
        with self._changed:
            self._aside.add(path)

    def must_give_way(self, path: str) -> bool:
        """Whether who fetches this one ahead must leave network or room to what somebody waits for."""
        with self._changed:
            return not self._wanted[path] and self._is_urgent()

    def ranks(self, path: str, forced: bool) -> dict[str, int | None]:
        """In which order files may go for the sake of this one, the lowest first; None: not at all.

        Args:
            path: the file that needs room.
            forced: whether files in use may go, last.
        """
        with self._changed:
            length = len(self._plan)
            place = self._plan.index(path) if path in self._plan else length
            if self._wanted[path]:
                place = -1
            # What is needed last goes first; what is needed before this one stays.
            planned = {other: PLANNED + length - n if n > place else None for n, other in enumerate(self._plan)}
            return planned | dict.fromkeys(self._using, PLANNED + length + 1 if forced else None)

    def ring(self) -> None:
        """Wake all who wait."""
        with self._changed:
            self.changes += 1
            self._changed.notify_all()

    def wait(self, heard: int, timeout: float) -> None:
        """Wait until there were other changes than `heard`, or the time is over, in which others may have made some."""
        with self._changed:
            self._changed.wait_for(lambda: self.changes != heard, timeout)
            self._full = False
            self._aside.clear()

    def _is_urgent(self) -> bool:
        # The first file is wanted soonest, all alone; later, more than one connection is faster.
        return bool(self._pressed or (self._wanted and not self._served))
