"""Batches of decoded pictures, made by threads.

Decoders release the GIL, so threads reach the speed of pure decoding, where worker processes lose 1.6 times to copying
their batches across.
"""

import time
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_flowers.batch import Batch
from lightning_flowers.data.augment import Augment
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.order import Order
from lightning_flowers.data.index import UNKNOWN_LABEL
from lightning_flowers.data.split import Split

AHEAD = 3  # batches in the making while one is being used
CHUNK = 8  # pictures a thread takes at a time


class Loader:
    """An epoch of batches, each of the same shape, as an iterable with a length.

    Args:
        split: where the records are.
        order: which records make up each batch.
        augment: applied to each picture; None or a `none` preset leaves them as they are.
        threads: decoding threads, at least 1.
        pin: whether batches lie in page-locked memory, for asynchronous copies to a GPU.

    Attributes:
        sampler: the order; Lightning calls its `set_epoch`.
        waited: seconds that the consumer has spent waiting for batches, over all epochs.
        resized: pictures of the last epoch that had another size and were resized.
    """

    def __init__(
        self, split: Split, order: Order, augment: Augment | None = None, threads: int = 2, pin: bool = False
    ) -> None:
        self.split, self.sampler, self.augment = split, order, augment
        self.batch_sampler = None  # Lightning asks for it wherever there is a sampler
        self.threads, self.pin = threads, pin
        self.waited = 0.0
        self.resized = 0
        self._warned = False
        self._pool: list[NDArray[np.uint8]] = []

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the order's epoch.

        Raises:
            DataError: a record is damaged or its picture cannot be decoded; names shard, record and byte offset.
        """
        epoch = self.sampler.epoch
        self.resized = 0
        rows = iter(self.sampler)
        with ThreadPoolExecutor(self.threads, thread_name_prefix="decode") as pool:
            pending = deque(self._start(pool, epoch, *row) for row in islice(rows, AHEAD))
            try:
                while pending:
                    batch = self._finish(*pending.popleft())
                    pending.extend(self._start(pool, epoch, *row) for row in islice(rows, 1))
                    if not pending:  # the last one: a consumer that counts batches asks for no more
                        self._warn_of_resizing()
                    yield batch
            finally:
                for _, futures in pending:
                    for future in futures:
                        future.cancel()

    def _start(
        self, pool: ThreadPoolExecutor, epoch: int, positions: NDArray[np.int64], mask: NDArray[np.bool_]
    ) -> tuple[Batch, list[Future[int]]]:
        image = self._new_images(len(positions))
        pictures = image.numpy()
        chunks = [slice(start, start + CHUNK) for start in range(0, len(positions), CHUNK)]
        futures = [pool.submit(self._decode, epoch, pictures[chunk], positions[chunk], mask[chunk]) for chunk in chunks]
        batch = Batch(
            image=image.permute(0, 3, 1, 2),
            label=torch.from_numpy(np.where(mask, self.split.labels[positions], UNKNOWN_LABEL)),
            index=torch.from_numpy(np.where(mask, positions, -1)),
            mask=torch.from_numpy(mask),
        )
        return batch, futures

    def _finish(self, batch: Batch, futures: list[Future[int]]) -> Batch:
        start = time.perf_counter()
        self.resized += sum(future.result() for future in futures)
        self.waited += time.perf_counter() - start
        return batch

    def _decode(self, epoch: int, out: NDArray[np.uint8], positions: NDArray[np.int64], mask: NDArray[np.bool_]) -> int:
        resized = 0
        for picture, position, real in zip(out, positions.tolist(), mask.tolist(), strict=True):
            try:
                resized += decode_into(self.split.image_bytes(position), picture) and real
            except ValueError as error:
                raise self.split.error(position, str(error)) from error
            if self.augment:
                picture[...] = self.augment(picture, self.sampler.seed, epoch, position)
        return resized

    def _new_images(self, batch: int) -> Tensor:
        shape = (batch, self.split.size, self.split.size, 3)
        if self.pin:  # torch keeps page-locked memory itself, and waits for copies out of it
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        buffer = self._pool.pop() if self._pool else np.empty(shape, np.uint8)
        view = buffer.view()
        # Fresh pages cost as much as decoding into them, so a buffer comes back once no tensor uses it any more: the
        # tensor's storage is what holds the view.
        weakref.finalize(view, self._pool.append, buffer).atexit = False
        return torch.from_numpy(view)

    def _warn_of_resizing(self) -> None:
        if self.resized and not self._warned:
            self._warned = True
            size = self.split.size
            warnings.warn(
                f"{self.split.name}: {self.resized} pictures are not {size}x{size} and were resized", stacklevel=2
            )
