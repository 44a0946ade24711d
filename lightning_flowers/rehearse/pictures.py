"""Pictures to rehearse with: noise, in shards of the competition's layout."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg

from lightning_flowers.data.writer import Record, write_split
from lightning_flowers.files import write_text


def write_noise(root: Path, classes: Sequence[str], size: int, counts: dict[str, int]) -> None:
    """Write splits of noise, and the classes' names.

    Args:
        root: the data set's folder.
        classes: their names, in the order of their labels.
        size: of the pictures in pixels.
        counts: records of each split, by its name.
    """
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        noise = rng.integers(256, size=(count, size, size, 3), dtype=np.uint8)
        records = [
            Record(simplejpeg.encode_jpeg(picture), number % len(classes), f"{split}{number}")
            for number, picture in enumerate(noise)
        ]
        write_split(root / f"tfrecords-jpeg-{size}x{size}" / split, size, records, 1)
    write_text(root / "classes.txt", "".join(f"{name}\n" for name in classes))
