"""Which picture goes into which shard: the same for the same pictures and settings, wherever and whenever."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.records.convert.inputs import Input


class Planned(NamedTuple):
    """A picture that has its place; `label` is None where nobody knows it."""

    path: str
    split: str
    label: int | None
    id: str


class PlannedShard(NamedTuple):
    """A shard to be written, in every size."""

    split: str
    number: int
    pictures: Sequence[Planned]

    def path(self, out: Path, size: int) -> Path:
        """Where it is to lie."""
        name = str(ShardName(self.number, size, len(self.pictures)))
        return out / f"tfrecords-jpeg-{size}x{size}" / self.split / name


def place(pictures: Iterable[Input], val_fraction: float | None, test_fraction: float, seed: int) -> list[Planned]:
    """Give each picture a split and an id.

    Of the pictures of each class that have no split of their own (or that are for training, where there is none for
    val), `val_fraction` go to val and `test_fraction` to test, and at least one stays in train.

    Args:
        val_fraction: None: 0.2 unless there are pictures for val.

    Raises:
        UserError: a fraction is asked for where that split is there; an id stands twice.
    """
    given = list(pictures)
    present = {one.split for one in given}
    for name, fraction in (("val", val_fraction), ("test", test_fraction)):
        if fraction and name in present:
            raise UserError(f"--{name}_fraction={fraction}: there are pictures for {name} already: leave it out")
    wanted = 0.2 if val_fraction is None and "val" not in present else val_fraction or 0.0
    drawn = _draw(given, wanted, test_fraction, seed)
    placed = [
        Planned(one.path, drawn.get(number, one.split or "train"), one.label, one.id or _identity(one.path))
        for number, one in enumerate(given)
    ]
    _check_ids(placed)
    return placed


def make_shards(placed: Sequence[Planned], shards: int, seed: int) -> list[PlannedShard]:
    """Shuffle each split and cut it into shards of as equal counts as can be."""
    return [
        PlannedShard(name, number, [one[position] for position in positions.tolist()])
        for split, name in enumerate(SPLITS)
        if (one := [picture for picture in placed if picture.split == name])
        for number, positions in _cut(len(one), shards, np.random.default_rng([seed, split]))
    ]


def _draw(given: Sequence[Input], val: float, test: float, seed: int) -> dict[int, str]:
    """The split of those pictures that leave train, by their number."""
    by_label: dict[int, list[int]] = {}
    for number, one in enumerate(given):
        if one.split in (None, "train") and one.label is not None:
            by_label.setdefault(one.label, []).append(number)
    drawn: dict[int, str] = {}
    for label, numbers in sorted(by_label.items()):
        shuffled = np.random.default_rng([seed, label]).permutation(numbers).tolist()
        for_val = min(round(val * len(numbers)), len(numbers) - 1)
        for_test = min(round(test * len(numbers)), len(numbers) - 1 - for_val)
        drawn |= dict.fromkeys(shuffled[:for_val], "val")
        drawn |= dict.fromkeys(shuffled[for_val : for_val + for_test], "test")
    return drawn


def _cut(count: int, shards: int, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
    return enumerate(np.array_split(rng.permutation(count), min(shards, count)))


def _identity(path: str) -> str:
    """Twelve hex digits, in the manner of the competition's ids."""
    return hashlib.sha256(path.encode()).hexdigest()[:12]


def _check_ids(placed: Sequence[Planned]) -> None:
    paths: dict[str, str] = {}
    for one in placed:
        if one.id in paths:
            raise DataError(f"the id {one.id!r} is that of {paths[one.id]} and of {one.path}: each needs its own")
        paths[one.id] = one.path
