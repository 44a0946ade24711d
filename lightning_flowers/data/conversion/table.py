"""Pictures named in a CSV, as people and spreadsheets write it: path, class or label, split, id, or the like."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_flowers.data.class_names import clean_name
from lightning_flowers.data.conversion.inputs import Input, read_label
from lightning_flowers.data.conversion.names import Features, find_name, split_called
from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.errors import DataError

_ROLES = ("path", "label", "split", "id")


def read_table(path: Path, features: Features) -> tuple[list[Input], list[str]]:
    """The pictures of a table, and a line for people where it has columns that are not read.

    Args:
        path: of a CSV with a column for the path, and for the class (a name or a number), the split and the id; an
            empty cell says nothing; commas, semicolons or tabs part the cells. Paths start from its folder.
        features: columns of other than the usual names, by image, label and id.

    Raises:
        DataError: the table cannot be read, or says something that cannot be.
    """
    header, lines = _read_csv(path)
    read = {role: clean_name(name).casefold() for role, name in features.items()}
    features = {role: name if name in header else features[role] for role, name in read.items()}
    columns: dict[str, str | None] = {}
    for role in _ROLES:
        needed = role == "path" or (role == "label" and "split" not in header)  # of test nobody knows the classes
        columns[role] = find_name(role, header, features, f"{path}: columns", needed)
    if twice := next((column for column in columns.values() if column and header.count(column) > 1), None):
        raise DataError(f"{path}: has two columns {twice}: remove one")
    try:
        found = [_read_row(path.parent, number, cells, columns) for number, cells in lines]
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    others = ", ".join(repr(column) for column in header if column and column not in columns.values())
    return found, [f"columns that are not read: {others}"] if others else []


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, dict[Any, Any]]]]:
    """The columns, and the lines that say something with their numbers; what is most in the first parts them all."""
    try:
        text = path.read_text("utf-8-sig")
        if not text.strip():
            raise DataError(f"{path}: is empty: give a header and a row for each picture")
        mark = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="", delimiter=mark, strict=True)
        header = reader.fieldnames = [clean_name(cell).casefold() for cell in reader.fieldnames or ()]
        lines = [(reader.line_num, cells) for cells in reader if any("".join(cell).strip() for cell in cells.values())]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV in UTF-8: {error}") from error
    if not lines:
        raise DataError(f"{path}: has no row: give one for each picture")
    return header, lines


def _read_row(base: Path, number: int, cells: Mapping[Any, Any], columns: Mapping[str, str | None]) -> Input:
    if "".join(cells.get(None, ())).strip():
        width = len(cells) - 1
        raise ValueError(
            f"row {number} has {width + len(cells[None])} cells, the header {width}: quote what holds the mark"
        )
    path, label, split, identity = (clean_name(cells[column]) if (column := columns[role]) else "" for role in _ROLES)
    if not path or "\0" in path:
        raise ValueError(f"row {number} has no path")
    if split and not split_called(split):
        raise ValueError(f"row {number}: the split {split!r} is none of {', '.join(SPLITS)}")
    try:
        read = read_label(label)
    except ValueError as error:
        raise ValueError(
            f"row {number}: {error}: give 0, 1, 2 ... or names, and leave empty what is unknown"
        ) from error
    known = os.path.exists(base / path)  # noqa: PTH110 - Path's raises for a name that is too long
    there = path if known else path.replace("\\", "/")  # Windows' separators
    return Input(Path(there).as_posix(), base / there, split_called(split), identity or None, raw_label=read)
