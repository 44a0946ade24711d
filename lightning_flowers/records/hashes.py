"""Perceptual hashes: nearly the same bits for nearly the same picture, whatever its encoding, size or brightness.

The hash is pHash as the ImageHash library computes it (https://github.com/JohannesBuchner/imagehash, `phash`): the
signs, about their median, of the lowest frequencies of a small grey picture's cosine transform. It has 16x16 bits, not
8x8: flowers stand in the middle of their pictures, and of 64 bits, unrelated ones share too many by chance.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 16  # frequencies each way
BITS = SIDE * SIDE
_GREY_SIDE = 4 * SIDE
_BLOCK = 1024  # rows of distances at a time


def perceptual_hash(picture: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The hash of an RGB picture, uint8 (height, width, 3): int8 (BITS,), each bit as -1 or 1."""
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (_GREY_SIDE, _GREY_SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:SIDE, :SIDE].ravel()
    return np.where(low > np.median(low), 1, -1).astype(np.int8)


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
