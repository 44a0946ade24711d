"""A table that is made row by row: a CSV that is there after each row, and is read when the table goes on."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

Row = TypeVar("Row", bound=BaseModel)


def read(path: Path, kind: type[Row]) -> list[Row]:
    """The rows as they were made; none before."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return [kind.model_validate({k: v for k, v in row.items() if v}) for row in csv.DictReader(lines)]


def write(path: Path, kind: type[Row], rows: Sequence[Row]) -> None:
    """Write the table, in the order given."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(kind.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.model_dump() for row in rows)
