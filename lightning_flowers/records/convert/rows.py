"""The rows of a CSV, as people and spreadsheets write it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.class_names import clean_name, read_number
from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.errors import DataError
from lightning_flowers.records.convert.inputs import class_name

_COLUMNS = ("path", "class", "label", "split", "id")


class Row(NamedTuple):
    """A picture; an empty text where nothing is said.

    Attributes:
        number: of the line, the header's being 1.
        name: of its class.
        label: a number, a word, or None.
    """

    number: int
    path: str
    name: str
    label: int | str | None
    split: str
    id: str


def read_rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a CSV with commas, semicolons or tabs, and notes for people.

    Raises:
        DataError: it cannot be read, or a row says something that cannot be.
    """
    try:
        lines = list(_read_lines(path.read_text("utf-8-sig")))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"--csv={path}: cannot be read as a CSV in UTF-8: {error}") from error
    header = [clean_name(cell).casefold() for cell in lines[0][1]] if lines else []
    if "path" not in header or len(lines) < 2:
        raise DataError(
            f"--csv={path}: has no {'row' if 'path' in header else 'column path'}: expected {','.join(_COLUMNS)}"
        )
    if twice := next((column for column in _COLUMNS if header.count(column) > 1), None):
        raise DataError(f"--csv={path}: has two columns {twice}: remove one")
    others = ", ".join(repr(column) for column in header if column not in _COLUMNS)
    notes = [f"columns that are not read: {others}"] if others else []
    try:
        return [_read_row(number, header, cells) for number, cells in lines[1:]], notes
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _read_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that say something, with their numbers; what is most in the first parts them all."""
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    for cells in lines:
        if any(cell.strip() for cell in cells):
            yield lines.line_num, cells


def _read_row(number: int, header: list[str], cells: list[str]) -> Row:
    if any(cell.strip() for cell in cells[len(header) :]):
        raise ValueError(f"row {number} has {len(cells)} cells, the header {len(header)}: quote what holds the mark")
    said = dict.fromkeys(_COLUMNS, "") | dict(zip(header, cells, strict=False))
    path, split, identity = said["path"].strip(), clean_name(said["split"]), said["id"].strip()
    try:
        name, label = class_name(said["class"]), clean_name(said["label"])
        read = read_number(label)
    except ValueError as error:
        raise ValueError(
            f"row {number}: {error}: give 0, 1, 2 ... or names, and leave empty what is unknown"
        ) from error
    if not path or "\0" in path:
        raise ValueError(f"row {number} has no path")
    if split not in ("", *SPLITS):
        raise ValueError(f"row {number}: the split {split!r} is none of {', '.join(SPLITS)}")
    if not name and not label and split != "test":
        raise ValueError(f"row {number} has neither class nor label, which only the test split may lack")
    return Row(number, path, name, label or None if read is None else read, split, identity)
