"""Which pictures are to be converted, and what is known of each before it is opened."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.class_names import clean_name, read_number
from lightning_flowers.data.photograph import PictureError
from lightning_flowers.errors import DataError, did_you_mean


class Input(NamedTuple):
    """A picture to be converted; None what was not said of it.

    Attributes:
        path: relative to the inputs' base; a name of its own, where it is no file of its own.
        file: the file that it is, or is in.
        split: train, val or test.
        id: its name in the shards.
        read: gives its bytes, where it is no file of its own.
        label: of its class.
    """

    path: str
    file: Path
    split: str | None
    id: str | None = None
    read: Callable[[], bytes] | None = None
    label: int | None = None


Found = tuple[Input, str | int | None]  # a picture, and its class's name or number; None or below 0 if unknown


@dataclass(frozen=True)
class Inputs:
    """All that is to be converted.

    Attributes:
        base: the folder that the paths start from.
        classes: names in the order of their labels.
        pictures: in the order of their paths.
        notes: what is left out, or taken for something else than it says, in lines for people.
    """

    base: Path
    classes: tuple[str, ...]
    pictures: list[Input]
    notes: list[str] = field(default_factory=list)

    def read(self, one: Input) -> Path | bytes:
        """One of the pictures: its file, or its bytes.

        Raises:
            PictureError: it cannot be read.
        """
        try:
            return one.file if one.read is None else one.read()
        except (OSError, ValueError) as error:
            raise PictureError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def gather(base: Path, found: Iterable[Found], classes: Sequence[str] | None, notes: Iterable[str] = ()) -> Inputs:
    """What a source holds, with its classes numbered.

    Args:
        base: the folder that the paths start from.
        found: its pictures.
        classes: names in the order of their labels. Default: those that are found, sorted, numbers as numbers.
        notes: for people.

    Raises:
        DataError: there is no picture, one has no class and is not of test, or the classes cannot be numbered.
    """
    known = None if classes is None else tuple(classes)
    pairs = sorted(found, key=lambda pair: pair[0].path)
    try:
        named = [(one, _name_of(one, label, known)) for one, label in pairs]
        if not named:
            raise DataError("holds no picture")
        labels = number_classes([name for _, name in named if name is not None], known)
    except (DataError, ValueError) as error:
        raise DataError(f"{base}: {error}") from error
    pictures = [one if name is None else one._replace(label=labels[name]) for one, name in named]
    return Inputs(base, tuple(labels), pictures, list(notes))


def class_name(text: str) -> str:
    """A class's name in its one spelling, a whole number's without decimals; empty where nothing is said.

    Raises:
        ValueError: it is another number.
    """
    name = clean_name(text)
    return name if read_number(name) is None else name.split(".")[0]


def read_label(text: str) -> int | str | None:
    """A class as a text tells it: its number, or its name; None of an empty one.

    Raises:
        ValueError: it is a number that no label can be.
    """
    number = read_number(text)
    return (clean_name(text) or None) if number is None else number


def number_classes(names: Sequence[str], classes: tuple[str, ...] | None) -> dict[str, int]:
    """The label of each class that was found, by its place in `classes`, else in the order of the names: numbers as
    numbers, then words.

    Raises:
        DataError: a name is none of `classes`, or they are too few to tell apart.
    """
    known = tuple(sorted(set(names), key=_order)) if classes is None else classes
    if len(known) < 2:
        found = f"only {known[0]!r}" if known else "none"
        raise DataError(
            f"two or more classes are needed, {found} was found: each class needs a folder (or name) of its own"
        )
    if unknown := next((name for name in names if name not in known), None):
        raise DataError(f"{unknown!r} is none of the {len(known)} classes given{did_you_mean(unknown, known)}")
    return {name: label for label, name in enumerate(known)}


def _name_of(one: Input, label: str | int | None, classes: tuple[str, ...] | None) -> str | None:
    try:
        if isinstance(label, str) and (name := class_name(label)):
            return name
    except ValueError as error:
        raise DataError(f"{one.path}: {error}: give a name, or a whole number") from error
    if isinstance(label, int) and label >= 0:
        return classes[label] if classes and label < len(classes) else str(label)
    if one.split != "test":
        raise DataError(f"{one.path}: has no class, which only pictures of a test split may lack")
    return None


def _order(name: str) -> tuple[bool, int, str]:
    number = read_number(name)
    return number is None, number or 0, name
