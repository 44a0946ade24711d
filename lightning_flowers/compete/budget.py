"""The hours of a campaign, over all its sessions, those that were killed too."""

import threading
import time
from contextlib import suppress
from pathlib import Path

from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text

_BEAT = 10.0  # seconds: what a killed session has used is known as nearly as this


class Budget:
    """So many seconds; within `with` they run.

    Args:
        file: keeps how many are used, from one session to the next.
        seconds: of all sessions together.

    Attributes:
        before: seconds that earlier sessions have used.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        self._file, self._seconds = file, seconds
        self.before, self._began = _read(file), time.monotonic()
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)

    @property
    def used(self) -> float:
        """Seconds that are used, of all sessions."""
        return self.before + time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 when the time is up."""
        return self._seconds - self.used

    def __enter__(self) -> "Budget":
        self._began = time.monotonic()
        self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._beats.join()
        self._write()

    def _beat(self) -> None:
        while not self._over.wait(_BEAT):
            with suppress(OSError):  # a full disk is told by what is written for its own sake
                self._write()

    def _write(self) -> None:
        write_text(self._file, f"{self.used:.0f}\n")


def _read(file: Path) -> float:
    try:
        return float(file.read_text("utf-8")) if file.is_file() else 0.0
    except ValueError as error:
        raise UserError(f"{file}: damaged: write into it how many seconds the campaign has used") from error
