"""Pictures that are in a data set twice: within a split they count twice, across splits they are leaks."""

import csv
import io
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np

from lightning_flowers.records.hashes import near_pairs
from lightning_flowers.records.survey import Survey
from lightning_flowers.records.text import table

HEADER = ("split", "id", "label", "split_2", "id_2", "label_2", "distance", "leak", "labels_differ")


class Seen(NamedTuple):
    """One of two pictures that are nearly the same; its label is -1 where unknown."""

    split: str
    id: str
    label: int


class Pair(NamedTuple):
    """Two pictures whose hashes differ in `distance` bits."""

    first: Seen
    second: Seen
    distance: int

    @property
    def leak(self) -> bool:
        """Whether what is to be scored on, or predicted, was seen in another split."""
        return self.first.split != self.second.split

    @property
    def labels_differ(self) -> bool:
        """Whether both labels are known and one of them must be wrong."""
        return -1 not in (self.first.label, self.second.label) and self.first.label != self.second.label


def find_pairs(surveys: Sequence[Survey], distance: int) -> list[Pair]:
    """All pairs of pictures, within and across the splits, whose hashes differ in `distance` bits or fewer."""
    seen = [
        Seen(one.name, identity, label)
        for one in surveys
        for identity, label in zip(one.ids, one.labels.tolist(), strict=True)
    ]
    pairs = near_pairs(np.concatenate([one.hashes for one in surveys]), distance)
    return [Pair(seen[first], seen[second], bits) for first, second, bits in pairs]


def as_csv(pairs: Sequence[Pair]) -> str:
    """The pairs as a CSV file's text, the leaks first, the nearest of each kind first."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(HEADER)
    for pair in sorted(pairs, key=lambda pair: (not pair.leak, pair.distance)):
        writer.writerow((*_cells(pair.first), *_cells(pair.second), pair.distance, pair.leak, pair.labels_differ))
    return lines.getvalue()


def as_table(pairs: Sequence[Pair], splits: Sequence[str]) -> str:
    """How many pairs there are within and across splits."""
    rows = []
    for first, second in combinations_with_replacement(splits, 2):
        between = [pair for pair in pairs if (pair.first.split, pair.second.split) == (first, second)]
        leak = "LEAK" if between and first != second else ""
        rows.append((f"{first}-{second}", len(between), sum(pair.labels_differ for pair in between), leak))
    return table(("splits", "pairs", "with different labels", ""), rows, indent="  ")


def _cells(seen: Seen) -> tuple[str, str, str]:
    return seen.split, seen.id, "" if seen.label < 0 else str(seen.label)
