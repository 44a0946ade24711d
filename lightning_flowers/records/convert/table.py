"""Pictures named in a CSV: path[,class][,label][,split][,id]."""

import csv
from pathlib import Path

from lightning_flowers.data.petals import SPLITS
from lightning_flowers.errors import DataError
from lightning_flowers.records.convert.inputs import Input, Inputs, number_classes

_COLUMNS = ("path", "class", "label", "split", "id")


def read_table(path: Path, base: Path | None, classes: tuple[str, ...] | None) -> Inputs:
    """The pictures of a table.

    Args:
        path: of a CSV with the column path and any of class (a name), label (a number, or a name), split and id; an
            empty cell says nothing.
        base: the folder that paths start from. Default: the table's.
        classes: names in the order of their labels. Default: the names in the table, sorted, or where it has numbers
            only, those.

    Raises:
        DataError: the table cannot be read, or says something that cannot be.
    """
    rows = _read(path)
    names = _names(rows, path, classes)
    try:
        labels = number_classes([name for name in names if name is not None], classes or _numbered(rows))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    pictures = [
        Input(
            Path(row["path"]).as_posix(),
            row["split"] or None,
            None if name is None else labels[name],
            row["id"] or None,
        )
        for row, name in zip(rows, names, strict=True)
    ]
    _check_once([one.path for one in pictures], path, "path")
    return Inputs(base or path.parent, tuple(labels), sorted(pictures))


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            header = reader.fieldnames or []
            rows = [{column: (row.get(column) or "").strip() for column in _COLUMNS} for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"--csv={path}: cannot be read: {error}") from error
    if "path" not in header or not rows:
        raise DataError(
            f"--csv={path}: has no {'row' if 'path' in header else 'column path'}: expected {','.join(_COLUMNS)}"
        )
    for number, row in enumerate(rows, start=2):
        if not row["path"]:
            raise DataError(f"{path}: row {number} has no path")
        if row["split"] not in ("", *SPLITS):
            raise DataError(f"{path}: row {number}: the split {row['split']!r} is none of {', '.join(SPLITS)}")
        if not row["class"] and not row["label"] and row["split"] != "test":
            raise DataError(f"{path}: row {number} has neither class nor label, which only the test split may lack")
    return rows


def _names(rows: list[dict[str, str]], path: Path, classes: tuple[str, ...] | None) -> list[str | None]:
    """The class's name of each row; that of a bare number is its place in `classes`, or the number itself."""
    by_label: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name, label = row["class"], row["label"]
        if name and label and by_label.setdefault(label, name) != name:
            raise DataError(f"{path}: row {number}: label {label} is {name!r} here and {by_label[label]!r} before")
    by_number = {str(label): name for label, name in enumerate(classes or ())} | by_label
    return [row["class"] or by_number.get(row["label"], row["label"]) or None for row in rows]


def _numbered(rows: list[dict[str, str]]) -> tuple[str, ...] | None:
    """The classes in the order of the table's own numbers, where it has such for all of them, from 0 without a gap."""
    named = {row["label"]: row["class"] or row["label"] for row in rows if row["class"] or row["label"]}
    if not all(label.isdecimal() for label in named):
        return None
    numbers = sorted(int(label) for label in named)
    if numbers != list(range(len(numbers))):
        raise DataError(
            f"the labels are {len(numbers)} numbers from {numbers[0]} to {numbers[-1]}, not 0 to {len(numbers) - 1} "
            "without a gap: name the classes (--classes, or a column class)"
        )
    return tuple(named[str(number)] for number in numbers)


def _check_once(values: list[str], path: Path, what: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise DataError(f"{path}: the {what} {value!r} stands twice")
        seen.add(value)
