"""Which pictures are to be converted, and what is known of each before it is opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.class_names import clean_name, read_number
from lightning_flowers.data.sources import competition
from lightning_flowers.errors import DataError, UserError, did_you_mean

PETALS = "petals"  # as --classes: the competition's
_LISTED = 12  # classes; of more, the first and the last


class Input(NamedTuple):
    """A picture as it was given; None what was not said of it.

    Attributes:
        path: relative to the inputs' base.
        split: train, val or test.
        label: of its class.
        id: its name in the shards.
    """

    path: str
    split: str | None
    label: int | None
    id: str | None


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


def read_classes(given: str | None) -> tuple[str, ...] | None:
    """The classes that `--classes` gives: those of a file, one a line, or the competition's; None if it was not given.

    Raises:
        UserError: the file cannot be read, names fewer than two classes, or one twice.
    """
    if given is None or given == PETALS:
        return competition.competition_classes() if given else None
    try:
        return tuple(class_name(name) for name in competition.read_classes(Path(given).expanduser()))
    except (DataError, ValueError) as error:
        raise UserError(f"--classes={given}: neither {PETALS!r} nor a list of classes: {error}") from error


def class_name(text: str) -> str:
    """A class's name in its one spelling, a whole number's without decimals; empty where nothing is said.

    Raises:
        ValueError: it is another number.
    """
    name = clean_name(text)
    return name if read_number(name) is None else name.split(".")[0]


def number_classes(names: Sequence[str], classes: tuple[str, ...] | None) -> dict[str, int]:
    """The label of each class that was found, by its place in `classes`, else in the order of the names: numbers as
    numbers, then words.

    Raises:
        DataError: a name is none of `classes`, two are one number, or they are too few to tell apart.
    """
    known = tuple(sorted(set(names), key=_order)) if classes is None else classes
    if len(known) < 2:
        found = f"only {known[0]!r}" if known else "none"
        raise DataError(
            f"two or more classes are needed, {found} was found: each class needs a folder (or name) of its own"
        )
    seen: dict[int, str] = {}
    for name in known:
        number = read_number(name)
        if number is not None and seen.setdefault(number, name) != name:
            raise DataError(f"the classes {seen[number]!r} and {name!r} are one number: write it the same everywhere")
    if unknown := next((name for name in names if name not in known), None):
        raise DataError(f"{unknown!r} is none of the {len(known)} --classes{did_you_mean(unknown, known)}")
    return {name: label for label, name in enumerate(known)}


def list_labels(classes: Sequence[str]) -> str:
    """The labels with their classes, shortened where they are many."""
    texts = [f"{label}={name}" for label, name in enumerate(classes)]
    return ", ".join(texts if len(texts) <= _LISTED else [*texts[: _LISTED - 4], "...", *texts[-3:]])


def _order(name: str) -> tuple[bool, int, str]:
    number = read_number(name)
    return number is None, number or 0, name
