"""Which pictures are to be converted, and what is known of each before it is opened."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.class_names import clean_name, read_number
from lightning_flowers.errors import DataError, did_you_mean


class Input(NamedTuple):
    """A picture to be converted; None what was not said of it.

    Attributes:
        path: relative to the inputs' base; a name of its own, where it is no file of its own.
        file: the file that it is, or is in.
        split: train, val or test.
        id: its name in the shards.
        read: gives its bytes, where it is no file of its own.
        raw_label: its class, as its source has it: a name, or a number, below 0 if unknown.
        label: of its class, once all are known.
    """

    path: str
    file: Path
    split: str | None
    id: str | None = None
    read: Callable[[], bytes] | None = None
    raw_label: str | int | None = None
    label: int | None = None


@dataclass(frozen=True)
class Inputs:
    """All that is to be converted.

    Attributes:
        base: the folder that the paths start from.
        classes: names in the order of their labels.
        pictures: in the order of their paths.
        notes: what is left out, or not read, in lines for people.
    """

    base: Path
    classes: tuple[str, ...]
    pictures: list[Input]
    notes: list[str] = field(default_factory=list)


def number_classes(base: Path, found: Iterable[Input], classes: Sequence[str] | None, notes: list[str]) -> Inputs:
    """What a source holds, with its classes numbered.

    Args:
        base: the folder that the paths start from.
        classes: names in the order of their labels. Default: those that are found, sorted, numbers as numbers.

    Raises:
        DataError: a picture has no class and is not of test, or a name that is no text; or the classes cannot be
            numbered.
    """
    pictures = sorted(found, key=lambda one: one.path)
    try:
        names = [_name_of(one, classes) for one in pictures]
        known = classes or sorted({name for name in names if name}, key=_order)
        if len(known) < 2:
            held = f"only {known[0]!r}" if known else "none"
            raise DataError(
                f"two or more classes are needed, {held} was found: each class needs a folder (or name) of its own"
            )
        if unknown := next((name for name in names if name and name not in known), None):
            raise DataError(f"{unknown!r} is none of the {len(known)} classes given{did_you_mean(unknown, known)}")
    except DataError as error:
        raise DataError(f"{base}: {error}") from error
    folded = Counter(map(str.casefold, known))
    if alike := [name for name in known if folded[name.casefold()] > 1]:
        notes.append(f"classes whose names differ in case alone: {', '.join(alike)}")
    labels = {name: label for label, name in enumerate(known)}
    numbered = [one._replace(label=labels.get(name)) for one, name in zip(pictures, names, strict=True)]
    return Inputs(base, tuple(known), numbered, notes)


def class_name(text: str) -> str:
    """A class's name in its one spelling, a whole number's without decimals; empty where nothing is said.

    Raises:
        ValueError: it is another number.
    """
    name = clean_name(text)
    return name if read_number(name) is None else name.split(".")[0]


def read_label(text: str) -> int | str:
    """A class as a text tells it: its number, or its name.

    Raises:
        ValueError: it is a number that no label can be.
    """
    number = read_number(text)
    return clean_name(text) if number is None else number


def _name_of(one: Input, classes: Sequence[str] | None) -> str:
    """The name of a picture's class; empty where it has none, as only those of test may.

    Raises:
        DataError: it has none, its folder's name is a number that no label can be, or its path is no text.
    """
    if one.path != one.path.encode("utf-8", "ignore").decode():
        raise DataError(f"the name {one.path!a} is no UTF-8: rename it")
    if isinstance(one.raw_label, int) and one.raw_label >= 0:
        return classes[one.raw_label] if classes and one.raw_label < len(classes) else str(one.raw_label)
    try:
        name = class_name(one.raw_label) if isinstance(one.raw_label, str) else ""
    except ValueError as error:
        raise DataError(f"{one.path}: {error}: give a name, or a whole number") from error
    if not name and one.split != "test":
        raise DataError(f"{one.path}: has no class, which only pictures of a test split may lack")
    return name


def _order(name: str) -> tuple[bool, int, str]:
    number = read_number(name)
    return number is None, number or 0, name
