"""One pass over the pictures of some splits: their labels, hashes and colours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.split import Split
from lightning_flowers.parallel import in_order
from lightning_flowers.records.hashes import BITS, perceptual_hash
from lightning_flowers.records.selection import Part
from lightning_flowers.records.text import bar

_CHUNK = 16


@dataclass(frozen=True)
class Survey:
    """What the pictures of one split are like.

    Attributes:
        name: of the split.
        ids: of each record.
        labels: int64 (records,), -1 where unknown.
        hashes: int8 (records, BITS).
        mean: float64 (3,), of red, green and blue over all pixels, in 0..1.
        std: float64 (3,), likewise.
    """

    name: str
    ids: list[str]
    labels: NDArray[np.int64]
    hashes: NDArray[np.int8]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


class _Seen(NamedTuple):
    """Of some pictures: int8 (n, BITS), and the sums over pictures of each channel's mean and mean square."""

    hashes: NDArray[np.int8]
    means: NDArray[np.float64]
    squares: NDArray[np.float64]


def survey(part: Part, num_classes: int) -> Survey:
    """Look at every picture of a split.

    Raises:
        DataError: something is damaged.
    """
    split = open_split(part.folder, part.size, num_classes, part.labelled)
    chunks = (range(start, min(start + _CHUNK, len(split))) for start in range(0, len(split), _CHUNK))
    hashes, means, squares = np.empty((0, BITS), np.int8), np.zeros(3), np.zeros(3)
    gathered = [hashes]
    with bar(len(split), f"looking at {part}", "picture") as progress:
        for seen in in_order(lambda chunk: _look(split, chunk), chunks):
            gathered.append(seen.hashes)
            means, squares = means + seen.means, squares + seen.squares
            progress.update(len(seen.hashes))
    mean = means / len(split)
    std = np.sqrt(squares / len(split) - mean**2)
    return Survey(part.split, split.ids.tolist(), split.labels, np.concatenate(gathered), mean, std)


def _look(split: Split, positions: range) -> _Seen:
    hashes, means, squares = [], np.zeros(3), np.zeros(3)
    for picture in _pictures(split, positions):
        hashes.append(perceptual_hash(picture))
        mean, std = (values.ravel() / 255 for values in cv2.meanStdDev(picture))
        means, squares = means + mean, squares + std**2 + mean**2
    return _Seen(np.stack(hashes), means, squares)


def _pictures(split: Split, positions: range) -> Iterator[NDArray[np.uint8]]:
    out = np.empty((split.size, split.size, 3), np.uint8)
    for position in positions:
        try:
            decode_into(split.image_bytes(position), out)
        except ValueError as error:
            raise split.error(position, str(error)) from error
        yield out
