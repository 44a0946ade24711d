"""Pictures named in a CSV: path[,class][,label][,split][,id]."""

import unicodedata
from pathlib import Path, PureWindowsPath

from lightning_flowers.data.class_names import read_number
from lightning_flowers.errors import DataError
from lightning_flowers.records.convert.inputs import Input, Inputs, number_classes
from lightning_flowers.records.convert.rows import Row, read_rows


def read_table(path: Path, base: Path | None, classes: tuple[str, ...] | None) -> Inputs:
    """The pictures of a table.

    Args:
        path: of a CSV with the column path and any of class (a name), label (a number, or a name), split and id; an
            empty cell says nothing.
        base: the folder that paths start from. Default: the table's.
        classes: names in the order of their labels. Default: the names in the table, sorted, or where it has numbers
            as labels, in their order.

    Raises:
        DataError: the table cannot be read, or says something that cannot be.
    """
    rows, notes = read_rows(path)
    base = base or path.parent
    try:
        names, numbered = _names(rows, classes)
        labels = number_classes([name for name in names if name is not None], classes or numbered)
        pictures = [
            Input(_find(base, row), row.split or None, None if name is None else labels[name], row.id or None)
            for row, name in zip(rows, names, strict=True)
        ]
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    _check_once([one.path for one in pictures], path, "path")
    return Inputs(base, tuple(labels), sorted(pictures), notes)


def _find(base: Path, row: Row) -> str:
    """The path of a picture as it is on this disk, where Windows' separators or the other Unicode form are not."""
    slashed = row.path.replace("\\", "/")
    for way in (row.path, slashed, unicodedata.normalize("NFC", slashed), unicodedata.normalize("NFD", slashed)):
        if (base / way).exists():
            return Path(way).as_posix()
    if PureWindowsPath(row.path).drive:
        raise DataError(f"row {row.number}: {row.path} is a path of Windows: let the paths start from {base}")
    return Path(row.path).as_posix()


def _names(rows: list[Row], classes: tuple[str, ...] | None) -> tuple[list[str | None], tuple[str, ...] | None]:
    """The class's name of each row, that of a bare number being its place in `classes`, or the number itself; and where
    the rows' labels are numbers, the names in their order."""
    named: dict[int | str, str] = dict(enumerate(classes or ()))
    of_name = {name: label for label, name in named.items()}
    for row in rows:
        if row.name and row.label is not None:
            if (name := named.setdefault(row.label, row.name)) != row.name:
                raise DataError(f"row {row.number}: label {row.label} is {row.name!r} here and {name!r} before")
            if (label := of_name.setdefault(row.name, row.label)) != row.label:
                raise DataError(f"row {row.number}: {row.name!r} has label {row.label} here and {label} before")
    _check_places(rows, classes)
    names = [_name(row, named) for row in rows]
    numbers = {row.label: name for row, name in zip(rows, names, strict=True) if isinstance(row.label, int) and name}
    return names, _in_order(rows, names, numbers) if numbers and classes is None else None


def _name(row: Row, named: dict[int | str, str]) -> str | None:
    return row.name or (None if row.label is None else named.get(row.label, str(row.label)))


def _check_places(rows: list[Row], classes: tuple[str, ...] | None) -> None:
    """Fail where a bare number may mean a place among `classes` or another of them."""
    if all(read_number(name) in (None, place) for place, name in enumerate(classes or ())):
        return
    for row in rows:
        if isinstance(row.label, int) and not row.name:
            raise DataError(
                f"row {row.number}: label {row.label} may be a place in --classes or the name of another of them, "
                "which are numbers too: give names, or a column class"
            )


def _in_order(rows: list[Row], names: list[str | None], numbers: dict[int, str]) -> tuple[str, ...]:
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


def _check_once(values: list[str], path: Path, what: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise DataError(f"{path}: the {what} {value!r} stands twice")
        seen.add(value)
