"""Pictures to rehearse with, in shards of the competition's layout."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg

from lightning_flowers.data.tfrecord.writer import Record, write_split
from lightning_flowers.files import write_text


def write_pictures(root: Path, classes: Sequence[str], size: int, counts: dict[str, int]) -> None:
    """Write splits of pictures of one colour each, and the classes' names.

    Args:
        root: the data set's folder.
        classes: their names, in the order of their labels.
        size: of the pictures in pixels.
        counts: records of each split, by its name.
    """
    flat = [simplejpeg.encode_jpeg(np.full((size, size, 3), shade, np.uint8)) for shade in range(0, 256, 16)]
    for split, count in counts.items():
        records = [
            Record(flat[number % len(flat)], number % len(classes), f"{split}{number}") for number in range(count)
        ]
        write_split(root / f"tfrecords-jpeg-{size}x{size}" / split, size, records, 1)
    write_text(root / "classes.txt", "".join(f"{name}\n" for name in classes))
