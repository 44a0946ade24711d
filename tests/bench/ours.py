"""Our loader, and the limits that it is held against: decoding alone, and copying alone."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray

from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.loader import AHEAD, Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.split import Split

from .petals import CLASSES
from .protocol import Candidate, Job, drawn_from

PACKAGES = ("lightning_flowers", "torch", "simplejpeg", "albumentations", "opencv-python-headless", "numpy")
SEED, EPOCH = 0, 12_753  # records of the competition's train split

cv2.setNumThreads(0)
torch.set_num_threads(1)


def candidates(job: Job) -> dict[str, Candidate]:
    split = open_split(Path(job.folder), job.size, CLASSES, labelled=True)
    # Epochs as long as real ones are: at the end of each the last batches are waited for.
    epoch = split.select(np.tile(np.arange(len(split)), EPOCH // len(split) + 1)[:EPOCH])
    cache, pictures = PictureCache(None, job.size), _decoded(split)
    return {
        "ours": drawn_from(_counts(epoch, job, "flips")),
        "pure_decode": _pure_decode(split, job),
        "cached": drawn_from(_counts(epoch, job, "none", cache)),
        "cached_flips": drawn_from(_counts(epoch, job, "flips", cache)),
        "cache_memcpy": _memcpy(pictures, job, batches=1),
        "fresh_memcpy": _memcpy(pictures, job, batches=AHEAD + 2),
    }


def _counts(split: Split, job: Job, preset: str, cache: PictureCache | None = None) -> Iterator[int]:
    """Epoch after epoch, with a cache from the second on; pictures that only fill up a last batch do not count."""
    order = Order(len(split), job.batch_size, shuffle=True, seed=SEED)
    loader = Loader(split, order, Augment(preset, job.size), threads=job.threads, cache=cache)
    for epoch in itertools.count():
        order.set_epoch(epoch)
        for batch in loader:
            if epoch or cache is None:
                yield int(batch["mask"].sum())


def _pure_decode(split: Split, job: Job) -> Candidate:
    """Each thread decodes its share of the same random order into one buffer that stays in its core's cache."""
    encoded = [bytes(split.image_bytes(position)) for position in range(len(split))]
    orders = [_endless_order(len(split), thread) for thread in range(job.threads)]

    def work(thread: int, until: float) -> int:
        picture = np.empty((job.size, job.size, 3), np.uint8)
        for done in itertools.count():
            if time.perf_counter() >= until:
                return done
            simplejpeg.decode_jpeg(encoded[next(orders[thread])], buffer=picture)
        raise AssertionError

    return _in_threads(job.threads, work)


def _memcpy(pictures: NDArray[np.uint8], job: Job, batches: int) -> Candidate:
    """Each thread gathers random pictures into its shares of so many batches, which are used over and over.

    A single batch may stay in the last-level cache, so that what is written never reaches memory; a loader's cannot, as
    it holds the one in use, those made ahead, and the one in the making.
    """
    shape = (job.batch_size, *pictures.shape[1:])
    shares = [np.array_split(torch.empty(shape, dtype=torch.uint8).numpy(), job.threads) for _ in range(batches)]
    orders = [_endless_order(len(pictures), thread) for thread in range(job.threads)]

    def work(thread: int, until: float) -> int:
        done, turns = 0, itertools.cycle(batch[thread] for batch in shares)
        while time.perf_counter() < until:
            share = next(turns)
            rows = list(itertools.islice(orders[thread], len(share)))
            np.take(pictures, rows, axis=0, out=share, mode="clip")  # another mode would copy twice
            done += len(share)
        return done

    return _in_threads(job.threads, work)


def _decoded(split: Split) -> NDArray[np.uint8]:
    pictures = np.empty((len(split), split.size, split.size, 3), np.uint8)
    for position, picture in enumerate(pictures):
        decode_into(split.image_bytes(position), picture)
    return pictures


def _endless_order(records: int, thread: int) -> Iterator[int]:
    random = np.random.default_rng([SEED, thread])
    while True:
        yield from random.permutation(records).tolist()


def _in_threads(threads: int, work: Callable[[int, float], int]) -> Candidate:
    def run(until: float) -> int:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(work, range(threads), itertools.repeat(until)))

    return run
