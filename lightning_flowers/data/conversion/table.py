"""Pictures named in a CSV, as people and spreadsheets write it: path[,class][,label][,split][,id], or the like."""

import csv
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from lightning_flowers.data.class_names import clean_name, read_number
from lightning_flowers.data.conversion.inputs import Input, Inputs, class_name, number_classes
from lightning_flowers.data.conversion.names import Features, choose, split_called
from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.errors import DataError

_COLUMNS = ("path", "class", "label", "split", "id")


class _Row(NamedTuple):
    """A picture; an empty text where nothing is said; the number is that of the line."""

    number: int
    path: str
    name: str
    label: int | str | None
    split: str
    id: str


def read_table(path: Path, base: Path | None, classes: tuple[str, ...] | None, features: Features) -> Inputs:
    """The pictures of a table.

    Args:
        path: of a CSV with the column path and any of class (a name), label (a number, or a name), split and id; an
            empty cell says nothing; commas, semicolons or tabs part the cells.
        base: the folder that paths start from. Default: the table's.
        features: columns of other than the usual names, by image, label and id.
        classes: names in the order of their labels. Default: the names in the table, sorted, or where it has numbers
            as labels, in their order.

    Raises:
        DataError: the table cannot be read, or says something that cannot be.
    """
    base = base or path.parent
    header, lines = _read_csv(path, features)
    others = ", ".join(repr(column) for column in header if column and column not in _COLUMNS)
    try:
        rows = [_read_row(number, cells) for number, cells in lines]
        names, numbered = _names(rows, classes)
        labels = number_classes([name for name in names if name is not None], classes or numbered)
        pictures = [
            Input(_find(base, row), row.split or None, None if name is None else labels[name], row.id or None)
            for row, name in zip(rows, names, strict=True)
        ]
        seen = set()
        for one in pictures:
            if one.path in seen:
                raise DataError(f"the path {one.path!r} stands twice")
            seen.add(one.path)
    except (DataError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error
    return Inputs(base, tuple(labels), sorted(pictures), [f"columns that are not read: {others}"] if others else [])


def _read_csv(path: Path, features: Features) -> tuple[list[str], list[tuple[int, dict[Any, Any]]]]:
    """The columns, and the lines that say something with their numbers; what is most in the first parts them all."""
    try:
        text = path.read_text("utf-8-sig")
        if not text.strip():
            raise DataError(f"{path}: is empty: give a header and a row for each picture")
        mark = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="", delimiter=mark, strict=True)
        written = [clean_name(cell).casefold() for cell in reader.fieldnames or ()]
        header = reader.fieldnames = _renamed(written, features, f"{path}: columns")
        lines = [(reader.line_num, cells) for cells in reader if any("".join(cell).strip() for cell in cells.values())]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV in UTF-8: {error}") from error
    if not lines:
        raise DataError(f"{path}: has no row: expected {','.join(_COLUMNS)}")
    if twice := next((column for column in _COLUMNS if header.count(column) > 1), None):
        raise DataError(f"{path}: has two columns {twice}: remove one")
    return header, lines


def _renamed(header: list[str], features: Features, what: str) -> list[str]:
    """The columns under the names that we know them by; those that `features` replaces have none.

    Raises:
        DataError: there is none for the path, or for the class; lists what is there.
    """
    for role, ours in (("path", ("path",)), ("split", ("split",)), ("id", ("id",)), ("label", ("label", "class"))):
        asked = features.get("image" if role == "path" else role)
        if asked or not set(ours) & set(header):
            needed = role == "path" or (role == "label" and "split" not in header)  # of test nobody knows the classes
            name = choose(role, header, {} if asked is None else {"image": asked, role: asked}, what, needed)
            kept = [cell if cell not in ours or cell == name else "" for cell in header]
            header = [ours[0] if cell == name else cell for cell in kept]
    return header


def _read_row(number: int, cells: Mapping[Any, Any]) -> _Row:
    if "".join(cells.get(None, ())).strip():
        width = len(cells) - 1
        raise ValueError(
            f"row {number} has {width + len(cells[None])} cells, the header {width}: quote what holds the mark"
        )
    said = {**dict.fromkeys(_COLUMNS, ""), **cells}
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
    if split and not split_called(split):
        raise ValueError(f"row {number}: the split {split!r} is none of {', '.join(SPLITS)}")
    split = split_called(split) or ""
    if not name and not label and split != "test":
        raise ValueError(f"row {number} has neither class nor label, which only the test split may lack")
    return _Row(number, path, name, label or None if read is None else read, split, identity)


def _find(base: Path, row: _Row) -> str:
    """The path of a picture as it is on this disk, where Windows' separators or the other Unicode form are not."""
    slashed = row.path.replace("\\", "/")
    for way in (row.path, slashed, unicodedata.normalize("NFC", slashed), unicodedata.normalize("NFD", slashed)):
        if (base / way).exists():
            return Path(way).as_posix()
    if PureWindowsPath(row.path).drive:
        raise DataError(f"row {row.number}: {row.path} is a path of Windows: let the paths start from {base}")
    return Path(row.path).as_posix()


def _names(rows: list[_Row], classes: tuple[str, ...] | None) -> tuple[list[str | None], tuple[str, ...] | None]:
    """The class's name of each row, that of a bare number being its place in `classes`, or the number itself; and where
    the rows' labels are numbers, the names in their order."""
    named: dict[int | str, str] = dict(enumerate(classes or ()))
    of_name = {name: label for label, name in named.items()}
    ambiguous = any(read_number(name) not in (None, place) for place, name in enumerate(classes or ()))
    for row in rows:
        if row.name and row.label is not None:
            if (name := named.setdefault(row.label, row.name)) != row.name:
                raise DataError(f"row {row.number}: label {row.label} is {row.name!r} here and {name!r} before")
            if (label := of_name.setdefault(row.name, row.label)) != row.label:
                raise DataError(f"row {row.number}: {row.name!r} has label {row.label} here and {label} before")
        elif ambiguous and isinstance(row.label, int):
            raise DataError(
                f"row {row.number}: label {row.label} may be a place in --classes or the name of another of them, "
                "which are numbers too: give names, or a column class"
            )
    names = [row.name or (None if row.label is None else named.get(row.label, str(row.label))) for row in rows]
    numbers = {row.label: name for row, name in zip(rows, names, strict=True) if isinstance(row.label, int) and name}
    return names, _in_order(rows, names, numbers) if numbers and classes is None else None


def _in_order(rows: list[_Row], names: list[str | None], numbers: dict[int, str]) -> tuple[str, ...]:
    for row, name in zip(rows, names, strict=True):
        if name is not None and name not in numbers.values():
            raise DataError(f"row {row.number}: the class {name!r} has no number as label, which others have")
    found = sorted(numbers)
    if found != list(range(len(found))):
        raise DataError(
            f"the labels are {len(found)} numbers from {found[0]} to {found[-1]}, not 0 to {len(found) - 1} "
            "without a gap: name the classes (--classes, or a column class)"
        )
    return tuple(numbers[number] for number in found)
