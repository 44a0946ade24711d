"""Which picture goes into which shard: the same for the same pictures and settings, wherever and whenever."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from lightning_flowers.data.conversion.inputs import Input
from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.errors import DataError, UserError


def assign_splits(
    pictures: Iterable[Input], val_fraction: float | None, test_fraction: float, seed: int
) -> list[Input]:
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
    placed: dict[str, Input] = {}
    for number, one in enumerate(given):
        # Twelve hex digits, in the manner of the competition's ids.
        identity = one.id or hashlib.sha256(one.path.encode()).hexdigest()[:12]
        if first := placed.get(identity):
            if first.path == one.path:
                raise DataError(f"{one.path} stands twice: remove one")
            raise DataError(f"the id {identity!r} is that of {first.path} and of {one.path}: each needs its own")
        placed[identity] = one._replace(split=drawn.get(number, one.split or "train"), id=identity)
    return list(placed.values())


def make_shards(placed: Sequence[Input], shards: int, seed: int) -> dict[str, list[list[Input]]]:
    """Shuffle each split and cut it into shards of as equal counts as can be."""
    planned = {}
    for split, name in enumerate(SPLITS):
        one = [picture for picture in placed if picture.split == name]
        order = np.random.default_rng([seed, split]).permutation(len(one))
        cuts = np.array_split(order, min(shards, len(one))) if one else []
        planned[name] = [[one[at] for at in cut.tolist()] for cut in cuts]
    return planned


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
