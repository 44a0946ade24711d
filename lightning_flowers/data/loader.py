"""Batches of decoded pictures, made by threads.

Decoders release the GIL, so threads reach the speed of pure decoding, where worker processes lose 1.6 times to copying
their batches across.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_flowers.batch import Batch
from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.buffers import Buffers
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.order import Order
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.index import UNKNOWN_LABEL
from lightning_flowers.errors import RecordError

AHEAD = 3  # batches in the making while one is being used
CHUNK = 8  # pictures that a thread decodes at a time, at most
_BAD = UNKNOWN_LABEL - 1  # in the place of a label: the record cannot be used


class Loader:
    """An epoch of batches, each of the same shape, as an iterable with a length.

    It can go on in the middle of an epoch: `state_dict` says how far the current one has come, and after
    `load_state_dict` the next iteration yields the batches that were still to come.

    Args:
        split: where the records are.
        order: which records make up each batch.
        augment: applied to each picture; None or a `none` preset leaves them as they are.
        threads: decoding threads, at least 1.
        pin: whether batches lie in page-locked memory, for asynchronous copies to a GPU.
        cache: keeps decoded pictures for the epochs to come.

    Attributes:
        sampler: the order; Lightning calls its `set_epoch`.
        waited: seconds that the consumer has spent waiting for batches, over all epochs.
    """

    def __init__(
        self,
        split: Split,
        order: Order,
        augment: Augment | None = None,
        threads: int = 2,
        pin: bool = False,
        cache: PictureCache | None = None,
    ) -> None:
        self.split, self.sampler, self.augment, self.cache = split, order, augment, cache
        self.batch_sampler = None  # Lightning asks for it wherever there is a sampler
        self.threads, self.pin = threads, pin
        self.waited = 0.0
        self._kept: list[NDArray[np.uint8]] | None = None
        self._buffers = Buffers(pin)

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return len(self.sampler)

    def state_dict(self) -> dict[str, int]:
        """How far the current epoch has come."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            UserError: batches have another size now, or the split another number of records.
        """
        self.sampler.load_state_dict(state)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the order's epoch.

        Raises:
            DataError: a record is damaged or its picture cannot be decoded (names shard, record and byte offset), or,
                of a split that skips those, too many are.
        """
        epoch = self.sampler.epoch
        self.split.check_bad()  # other processes may have found some
        start = self.sampler.begin()
        if self.split.remote:
            self.split.prefetch(np.concatenate([positions for positions, _ in islice(self.sampler, start, None)]))
        self._kept = self.cache.all_of(self.split) if self.cache else None
        for batch in self._batches(epoch, start):
            self.sampler.advance()
            yield batch

    def _batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """The batches; no thread works on any more once this has ended."""
        rows = islice(self.sampler, start, None)
        with ThreadPoolExecutor(self.threads, thread_name_prefix="decode") as pool:
            pending = deque(self._start(pool, epoch, *row) for row in islice(rows, AHEAD))
            try:
                while pending:
                    batch = pending.popleft()()
                    pending.extend(self._start(pool, epoch, *row) for row in islice(rows, 1))
                    yield batch
            except (Exception, KeyboardInterrupt):
                self.split.interrupt()
                raise
            finally:
                pool.shutdown(cancel_futures=True)

    def _start(
        self, pool: ThreadPoolExecutor, epoch: int, positions: NDArray[np.int64], mask: NDArray[np.bool_]
    ) -> Callable[[], Batch]:
        """Have a batch made; gives what waits for it."""
        image, pictures = self._buffers.take(len(positions), self.split.size)
        share = self._share(len(positions))
        parts = [slice(start, start + share) for start in range(0, len(positions), share)]
        futures = [pool.submit(self._fill, epoch, pictures[part], positions[part]) for part in parts]
        return partial(self._finish, image, pictures, positions, mask, futures)

    def _share(self, batch: int) -> int:
        """How many pictures a thread takes at a time.

        A copy is so short that threads which take turns at a batch wait for each other most of the time.
        """
        copies = self._kept and (not self.augment or self.augment.spec == "flips")
        return batch if copies else min(CHUNK, -(-batch // self.threads))

    def _finish(
        self,
        image: Tensor,
        pictures: NDArray[np.uint8],
        positions: NDArray[np.int64],
        mask: NDArray[np.bool_],
        futures: list[Future[NDArray[np.int64]]],
    ) -> Batch:
        """A batch whose rows that could not be read are masked, as its padding is."""
        start = time.perf_counter()
        labels = np.concatenate([future.result() for future in futures])
        self.waited += time.perf_counter() - start
        if (bad := labels == _BAD).any():  # they hold other pictures of the batch, for BatchNorm
            good = np.flatnonzero(~bad)
            pictures[bad] = pictures[np.resize(good, bad.sum())] if len(good) else 0
        real = mask & ~bad
        numbers = np.where(real, labels, UNKNOWN_LABEL), np.where(real, positions, -1), real
        tensors = map(torch.from_numpy, numbers)
        label, index, mask_of_rows = (tensor.pin_memory() for tensor in tensors) if self.pin else tensors
        return Batch(image=image, label=label, index=index, mask=mask_of_rows)

    def _fill(self, epoch: int, pictures: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fill some rows of a batch; gives their labels, `_BAD` of those that could not be read."""
        if self._kept:
            return self._gather(self._kept, epoch, pictures, positions)
        labels = np.full(len(positions), _BAD, np.int64)
        for row, position in enumerate(positions.tolist()):
            try:
                self._picture(pictures[row], epoch, position)
                labels[row] = self.split.label(position)
            except RecordError as error:  # not a DataError: a whole shard that cannot be had is no record
                if not self.split.skips:
                    raise
                if self.split.note_bad(position, error.what):
                    self.split.check_bad()  # which looks at every record
        return labels

    def _gather(
        self, kept: list[NDArray[np.uint8]], epoch: int, pictures: NDArray[np.uint8], positions: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Fill some rows from kept pictures: in one call, as threads wait for the GIL after each."""
        cv2.vconcat([kept[position] for position in positions.tolist()], pictures.reshape(-1, *pictures.shape[2:]))
        if self.augment:
            for picture, position in zip(pictures, positions.tolist(), strict=True):
                self.augment.into(picture, picture, self.sampler.seed, epoch, position)
        return self.split.labels[positions]

    def _picture(self, out: NDArray[np.uint8], epoch: int, position: int) -> None:
        """Put the record's picture, augmented, into `out`."""
        records, record = self.split.find(position)
        if record in records.bad:  # though its picture may be kept, from before it was damaged
            raise records.error(record, records.bad[record])
        cached = self.cache.of(records) if self.cache else None
        picture = cached.get(record) if cached else None
        if picture is None:
            picture = out
            self.split.decode(position, out)
            if cached:
                cached.put(record, out)
        if self.augment:
            self.augment.into(picture, out, self.sampler.seed, epoch, position)
        elif picture is not out:
            np.copyto(out, picture)
