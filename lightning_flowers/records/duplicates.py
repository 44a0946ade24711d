"""Pictures that are in a data set twice: within a split they count twice, across splits they are leaks.

They are known by a perceptual hash: nearly the same bits for nearly the same picture, whatever its encoding, size or
brightness. It is pHash as the ImageHash library computes it (https://github.com/JohannesBuchner/imagehash, `phash`):
the signs, about their median, of the lowest frequencies of a small grey picture's cosine transform. It has 16x16 bits,
not 8x8: flowers stand in the middle of their pictures, and of 64 bits, unrelated ones share too many by chance.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.markdown import text_table

SIDE = 16  # frequencies each way
BITS = SIDE * SIDE
_BLOCK = 1024  # rows of distances at a time


class Seen(NamedTuple):
    """A picture that was looked at; its label is None where unknown."""

    split: str
    id: str
    label: int | None


class Pair(NamedTuple):
    """Two pictures whose hashes differ in `distance` bits."""

    split: str
    id: str
    label: int | None
    split_2: str
    id_2: str
    label_2: int | None
    distance: int
    leak: bool  # what is to be scored on, or predicted, was seen in another split
    labels_differ: bool  # both are known, and one of them must be wrong


def perceptual_hash(picture: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The hash of an RGB picture, uint8 (height, width, 3): int8 (BITS,), each bit as -1 or 1."""
    small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (4 * SIDE, 4 * SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:SIDE, :SIDE].ravel()
    return np.where(low > np.median(low), 1, -1).astype(np.int8)


def find_pairs(seen: Sequence[Seen], hashes: NDArray[np.int8], distance: int) -> list[Pair]:
    """All pairs of pictures, within and across the splits, whose hashes (n, BITS) differ in `distance` bits or fewer;
    the leaks first, the nearest of each kind first."""
    pairs = []
    for first, second, bits in near_pairs(hashes, distance):
        one, other = seen[first], seen[second]
        differ = None not in (one.label, other.label) and one.label != other.label
        pairs.append(Pair(*one, *other, bits, one.split != other.split, differ))
    return sorted(pairs, key=lambda pair: (not pair.leak, pair.distance))


def near_pairs(hashes: NDArray[np.int8], distance: int) -> Iterator[tuple[int, int, int]]:
    """All pairs (first, second, their distance) that differ in `distance` bits or fewer, first < second.

    Args:
        hashes: int8 (n, BITS), each bit as -1 or 1.
    """
    # Of two such vectors, the product is the bits that agree less those that differ: exact in float32, and a matrix
    # product compares 100 million pairs a second where XOR and popcount would need NumPy 2 and more lines.
    signs = hashes.astype(np.float32)
    for start in range(0, len(signs), _BLOCK):
        products = signs[start : start + _BLOCK] @ signs[start:].T
        for first, second in np.argwhere(products >= BITS - 2 * distance):
            if first < second:
                yield int(start + first), int(start + second), round((BITS - float(products[first, second])) / 2)


def as_table(pairs: Sequence[Pair], splits: Sequence[str]) -> str:
    """How many pairs there are within and across splits."""
    rows = []
    for names in combinations_with_replacement(splits, 2):
        between = [pair for pair in pairs if (pair.split, pair.split_2) == names]
        leak = "LEAK" if any(pair.leak for pair in between) else ""
        rows.append(("-".join(names), len(between), sum(pair.labels_differ for pair in between), leak))
    header = ("splits", "pairs", "with different labels", "leak")
    return text_table(header, rows, header[1:3])
