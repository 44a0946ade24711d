"""One pass over the pictures of a split: their labels, hashes and colours."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.split import Split
from lightning_flowers.parallel import in_order
from lightning_flowers.records.duplicates import BITS, Seen, perceptual_hash
from lightning_flowers.records.selection import Part
from lightning_flowers.records.text import bar


class Survey(NamedTuple):
    """What the pictures of one split are like.

    Attributes:
        name: of the split.
        seen: each picture.
        labels: int64 (records,), -1 where unknown.
        hashes: int8 (records, BITS).
        mean: float64 (3,), of red, green and blue over all pixels, in 0..1.
        std: float64 (3,), likewise.
    """

    name: str
    seen: list[Seen]
    labels: NDArray[np.int64]
    hashes: NDArray[np.int8]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


def survey(part: Part, num_classes: int) -> Survey:
    """Look at every picture of a split.

    Raises:
        DataError: something is damaged.
    """
    split = open_split(part.folder, part.size, num_classes, part.labelled)
    hashes, sums = np.empty((len(split), BITS), np.int8), np.zeros((2, 3))
    with bar(len(split), f"looking at {part}", "picture") as progress:
        for position, (bits, mean, std) in enumerate(in_order(lambda at: _look(split, at), range(len(split)))):
            hashes[position] = bits
            sums += mean, mean**2 + std**2
            progress.update()
    mean, square = sums / len(split)
    labels = [None if label < 0 else label for label in split.labels.tolist()]
    seen = [Seen(part.split, identity, label) for identity, label in zip(split.ids.tolist(), labels, strict=True)]
    return Survey(part.split, seen, split.labels, hashes, mean, np.sqrt(square - mean**2))


def _look(split: Split, position: int) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
    """A picture's hash, and each channel's mean and standard deviation in 0..1."""
    picture = decode_record(split, position)
    mean, std = (values.ravel() / 255 for values in cv2.meanStdDev(picture))
    return perceptual_hash(picture), mean, std


def decode_record(split: Split, position: int) -> NDArray[np.uint8]:
    """A record's picture, uint8 (size, size, 3), RGB.

    Raises:
        RecordError: it is damaged.
    """
    out = np.empty((split.size, split.size, 3), np.uint8)
    try:
        decode_into(split.image_bytes(position), out)
    except ValueError as error:
        raise split.error(position, str(error)) from error
    return out
