"""What is trained on: BENCH_ROOT, or drawn pictures as the input bench has them, over and over."""

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from .. import petals

BUILD = Path("build/bench-gpu")
VAL_BATCHES = 6


def find(size: int, batch: int, steps: int) -> Path:
    """A data set of at least so many batches; a drawn one is made once."""
    if given := os.environ.get("BENCH_ROOT"):
        return Path(given).resolve()
    root = BUILD / f"petals-{size}-{batch * steps}"
    if not root.is_dir():
        unfinished = root.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        draw(unfinished, size, {"train": batch * steps, "val": batch * VAL_BATCHES})
        unfinished.rename(root)
    return root.resolve()


def draw(root: Path, size: int, records: dict[str, int]) -> None:
    """Draw the pictures and write so many records of each split. No two of the first RECORDS of one are the same."""
    distinct = min(petals.RECORDS, max(records.values()))
    with ProcessPoolExecutor() as pool:
        images = [image for (image,) in pool.map(partial(petals.encoded, sizes=(size,)), range(distinct), chunksize=8)]
    for split, number in records.items():
        petals.write(petals.train_folder(root, size).with_name(split), size, images, number)
