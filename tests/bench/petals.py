"""What is read: real shards where BENCH_ROOT names them, else pictures drawn to weigh as much as the competition's."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from tfrecord.tools.tfrecord2idx import create_index

from lightning_flowers.data.sources.demo.draw import draw_flower
from lightning_flowers.data.sources.demo.species import SPECIES
from lightning_flowers.data.sources.folder import find_shards, open_split
from lightning_flowers.data.tfrecord.writer import Record
from lightning_flowers.errors import DataError
from tests.shards import write_split

CLASSES = 104
SIZES = (512, 224)
RECORDS = 384  # twelve batches of 32: no epoch ends in a batch that is filled up
SHARDS = 4
# The drawings are smoother than photographs. With a sensor's noise (grey levels) one weighs 153 KB at 512 px in the
# mean, as photographs do at this quality.
NOISE = 3.3
QUALITY = 95


def find(size: int) -> Path:
    """The folder of the shards to read; drawn ones are made once.

    Raises:
        DataError: BENCH_ROOT has none of this size.
    """
    given = os.environ.get("BENCH_ROOT")
    root = Path(given) if given else Path("build/bench-petals")
    folder = train_folder(root, size)
    if not given and not _is_whole(folder, size):
        draw(root)
    find_shards(folder, size)
    return folder


def describe(folder: Path, size: int) -> tuple[int, float]:
    """How many pictures there are, and their mean size in bytes. Reads each, so that all are in the page cache."""
    split = open_split(folder, size, CLASSES, labelled=True)
    sizes = [len(split.image_bytes(position)) for position in range(len(split))]
    return len(sizes), float(np.mean(sizes))


def write_indices(folder: Path, size: int, indices: Path) -> None:
    """Write SHARD.tfindex of each shard, which the `tfrecord` package and DALI need to read a share of it."""
    indices.mkdir(parents=True, exist_ok=True)
    for shard in find_shards(folder, size):
        create_index(str(shard), str(indices / f"{shard.stem}.tfindex"))


def train_folder(root: Path, size: int) -> Path:
    return root / f"tfrecords-jpeg-{size}x{size}" / "train"


def draw(root: Path, records: int = RECORDS) -> None:
    """Draw the pictures and write them at each size, as the competition has them: JPEG, quality 95, 4:4:4."""
    with ProcessPoolExecutor() as pool:
        drawn = list(pool.map(encoded, range(records), chunksize=8))
    for size, images in zip(SIZES, zip(*drawn, strict=True), strict=True):
        write(train_folder(root, size), size, images, records)


def write(folder: Path, size: int, images: Sequence[bytes], records: int) -> None:
    """Write so many records of these pictures, which begin anew where there are fewer."""
    rows = (Record(images[number % len(images)], number % len(SPECIES), f"{number:09x}") for number in range(records))
    write_split(folder, size, list(rows), SHARDS)


def encoded(number: int, sizes: Sequence[int] = SIZES) -> list[bytes]:
    """One picture as JPEG at each of the sizes, the same bytes for the same number."""
    return [simplejpeg.encode_jpeg(each, QUALITY, colorsubsampling="444") for each in _pictures(number, sizes)]


def _pictures(number: int, sizes: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    random = np.random.default_rng(number)
    largest = draw_flower(number % len(SPECIES), SIZES[0], random)
    noise = random.normal(0, 1, largest.shape).astype(np.float32)
    grey = 1.7 * noise.mean(2, keepdims=True)  # a sensor's noise is brightness more than colour
    noisy = np.clip(largest + NOISE * (0.8 * grey + 0.25 * noise), 0, 255).astype(np.uint8)
    for size in sizes:
        yield noisy if size == SIZES[0] else np.asarray(cv2.resize(noisy, (size, size), interpolation=cv2.INTER_AREA))


def _is_whole(folder: Path, size: int) -> bool:
    try:
        return describe(folder, size)[0] == RECORDS
    except DataError:
        return False
