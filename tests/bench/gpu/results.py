"""What was measured so far, a line of JSON each, so that a later call goes on from there."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]


class Results:
    """The rows of a file that were measured on one device, with the same versions and at one size.

    Args:
        path: of the file; it need not be there yet.

    Attributes:
        rows: those that count.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._all = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
        self._like: Row = {}
        self.rows: list[Row] = []

    def keep(self, **facts: Any) -> None:
        """Count only rows of these facts, which later rows get too."""
        self._like, self.rows = facts, [row for row in self._all if facts.items() <= row.items()]

    def keep_latest(self, names: Iterable[str]) -> None:
        """Count only rows that have these facts in common with the last one."""
        self.keep(**{name: self._all[-1][name] for name in names} if self._all else {})

    def add(self, row: Row) -> None:
        """Write it down."""
        row = {**self._like, **row}
        self._all.append(row)
        self.rows.append(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def of(self, part: str, name: str | None = None, batch: int | None = None) -> list[Row]:
        """The samples of a part, by any candidate or by one, at a batch; else at that of the part's last one."""
        good = [row for row in self.rows if row["part"] == part and not row.keys() & {"oom", "failed"}]
        batch = batch or (good[-1]["batch"] if good else None)
        return [row for row in good if row["batch"] == batch and name in (None, row["name"])]

    def batch(self, part: str, largest: int) -> int:
        """The batch to measure a part with: half of any that somebody's memory did not do for."""
        return min([largest, *(row["batch"] // 2 for row in self.rows if row["part"] == part and "oom" in row)])

    def failed(self, part: str, name: str) -> str | None:
        """Why there is no sample of a candidate, as its last try said."""
        if self.of(part, name):
            return None
        return next((row["failed"] for row in reversed(self.rows) if _is_failure(row, part, name)), None)

    def figure(self, part: str, name: str, what: str) -> float | None:
        """The median over a candidate's samples; None where there is none."""
        values = [row[what] for row in self.of(part, name) if row.get(what) is not None]
        return median(values) if values else None


def _is_failure(row: Row, part: str, name: str) -> bool:
    return "failed" in row and (row["part"], row["name"]) == (part, name)
