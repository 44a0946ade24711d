"""Which pictures are to be converted, and what is known of each before it is opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.petals import competition_classes
from lightning_flowers.errors import DataError, UserError

PETALS = "petals"  # as --classes: the competition's


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
        left_out: files that are there but are no pictures.
    """

    base: Path
    classes: tuple[str, ...]
    pictures: list[Input]
    left_out: list[str] = field(default_factory=list)


def read_classes(given: str | None) -> tuple[str, ...] | None:
    """The classes that `--classes` gives: those of a file, one a line, or the competition's; None if it was not given.

    Raises:
        UserError: the file cannot be read, or names a class twice.
    """
    if given is None or given == PETALS:
        return competition_classes() if given else None
    try:
        lines = Path(given).expanduser().read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"--classes={given}: neither {PETALS!r} nor a readable text file: {error}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(set(names)) < len(names):
        raise UserError(f"--classes={given}: names a class twice")
    return names


def number_classes(names: Sequence[str], classes: tuple[str, ...] | None) -> dict[str, int]:
    """The label of each class that was found, by its place in `classes`, else in the order of the names.

    Raises:
        DataError: a name is none of `classes`, or they are too few to tell apart.
    """
    known = classes or tuple(sorted(set(names)))
    if len(known) < 2:
        found = f"only {known[0]!r}" if known else "none"
        raise DataError(
            f"two or more classes are needed, {found} was found: each class needs a folder (or name) of its own"
        )
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise DataError(f"{name!r} is none of the {len(known)} --classes{f': {near[0]}?' if near else ''}")
    return {name: label for label, name in enumerate(known)}
