"""Hours that a run or a campaign may take, over all its sessions, those that were killed too."""

import threading
import time
from contextlib import suppress
from pathlib import Path

from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text

_BEAT = 10.0  # seconds: what a killed session has used is known as nearly as this


class Budget:
    """So many seconds, which run from when this session has begun; within `with` they are noted every ten.

    Args:
        file: keeps how many are used, from one session to the next.
        seconds: of all sessions together.
        began: when this session has, by `time.monotonic()`. Default: now.

    Attributes:
        seconds: as given.
        before: seconds that earlier sessions have used.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, file: Path, seconds: float, began: float | None = None) -> None:
        self._file, self.seconds = file, seconds
        self.before, self._began = _read(file), time.monotonic() if began is None else began

    @property
    def used(self) -> float:
        """Seconds that are used, of all sessions."""
        return self.before + time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 when the time is up."""
        return self.seconds - self.used

    def __enter__(self) -> "Budget":
        self._over = threading.Event()  # not before: a budget can be sent to another process until then
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._beats.join()
        self.note()

    def _beat(self) -> None:
        while not self._over.wait(_BEAT):
            self.note()

    def note(self) -> None:
        """Keep what is used, as far as the disk lets it: a full one is told by what is written for its own sake."""
        with suppress(OSError):
            write_text(self._file, f"{self.used:.0f}\n")


def _read(file: Path) -> float:
    try:
        return float(file.read_text("utf-8")) if file.is_file() else 0.0
    except ValueError as error:
        raise UserError(f"{file}: damaged: write into it how many seconds are used") from error
