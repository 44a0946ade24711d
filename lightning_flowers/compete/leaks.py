"""Pictures that a score would be deceived by: nearly the same were trained on. Found by `records stats`."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FILE = "duplicates.csv"
_LEAST = 0.5  # of val must be left to choose by


class Leaks(NamedTuple):
    """What was found.

    pairs: how many pairs of pictures stand in two splits, by the splits' names.
    scored: ids of the records that scores are of which have their like among what is trained on.
    """

    pairs: dict[str, int]
    scored: frozenset[str]

    def describe(self) -> str:
        """In a line; "" if there is nothing to tell."""
        pairs = ", ".join(f"{count:,} pairs of pictures in {where}" for where, count in self.pairs.items())
        return pairs and f"{pairs}: {FILE} of records-stats has them"

    def keep(self, ids: NDArray[np.str_]) -> tuple[NDArray[np.int64], str]:
        """The positions of val's records to choose and score by, and what becomes of the others in a sentence."""
        clean = np.flatnonzero(~np.isin(ids, sorted(self.scored)))
        leaked = len(ids) - len(clean)
        if len(clean) < _LEAST * len(ids):
            told = f"{leaked:,} of {len(ids):,} records have their like among what was trained on: all scores deceive."
            return np.arange(len(ids)), told
        told = f"{leaked:,} records were left out of it: their like is among what was trained on." if leaked else ""
        return clean, told


NONE = Leaks({}, frozenset())


def read_leaks(file: Path, folded: bool) -> Leaks:
    """What duplicates.csv of `records stats` tells; nothing where there is none.

    Args:
        folded: whether train and val together are cut into folds, so that a picture's like in its own split counts too.
    """
    if not file.is_file():
        return NONE
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    pairs = Counter(f"{row['split']} and {row['split_2']}" for row in rows if row["leak"] == "True")
    learnt = [row for row in rows if {row["split"], row["split_2"]} <= {"train", "val"}]
    return Leaks(dict(pairs), frozenset(_scored(learnt, folded)))


def _scored(rows: Sequence[dict[str, str]], folded: bool) -> list[str]:
    ends = [((row["split"], row["id"]), (row["split_2"], row["id_2"])) for row in rows]
    if folded:
        return [name for pair in ends for _, name in pair]
    return [name for pair in ends if pair[0][0] != pair[1][0] for split, name in pair if split == "val"]
