"""Which records make up each batch of each epoch, on each process."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError


class Order:
    """Batches of record positions, a function of (seed, epoch) alone; and how far into the epoch a loader has come.

    The records are put in order and cut into global batches; process `rank` takes every `world`-th row of each, so all
    processes together cover each record once, unless classes are balanced. The last batch is filled up with records of
    the same epoch whose mask is False: every batch has the same shape, and BatchNorm sees real pictures.

    Args:
        records: number of records, at least 1.
        batch_size: global batch size, a multiple of `world`.
        shuffle: a new permutation each epoch; else the records' own order.
        seed: of the permutations.
        rank, world: this process and the number of processes.
        groups: int64 (records,), the shard of each record, where shards are fetched as they are needed: the records
            of a shard then stay together in the first epoch, shuffled, and the shards are shuffled.
        labels: int64 (records,), where classes are to be balanced in what is shuffled: see `balanced`.
        balance: how far, in 0..1.

    Raises:
        ValueError: an argument outside its range.
    """

    def __init__(
        self,
        records: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        groups: NDArray[np.int64] | None = None,
        labels: NDArray[np.int64] | None = None,
        balance: float = 0.0,
    ) -> None:
        if records < 1 or batch_size < 1 or not 0 <= rank < world or batch_size % world:
            raise ValueError(f"no order of {records} records in batches of {batch_size} for process {rank} of {world}")
        self.records, self.batch_size, self.shuffle, self.seed = records, batch_size, shuffle, seed
        self.rank, self.world, self.epoch = rank, world, 0
        self._groups, self._labels, self._balance = groups, labels, balance
        self._batches = self._begin = 0

    def __len__(self) -> int:
        """Number of batches an epoch, the same on every process."""
        return math.ceil(self.records / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration (Lightning calls this)."""
        self.epoch = epoch

    def begin(self) -> int:
        """The batch with which an iteration is to begin: the first, but after `load_state_dict`."""
        self._batches, self._begin = self._begin, 0
        return self._batches

    def advance(self) -> None:
        """Count a batch that was given out."""
        self._batches += 1

    def state_dict(self) -> dict[str, int]:
        """Batches given out (0 at the end of an epoch), and what they were cut from."""
        return {"batches": self._batches % len(self), "batch_size": self.batch_size, "records": self.records}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next iteration where `state_dict` was taken.

        Raises:
            UserError: in the middle of an epoch of other batches or records.
        """
        if state["batches"] and (state["batch_size"], state["records"]) != (self.batch_size, self.records):
            raise UserError(
                f"--resume: the run stopped inside an epoch of {state['records']} records in batches of "
                f"{state['batch_size']}: keep to them (now: {self.records} in batches of {self.batch_size})"
            )
        self._begin = state["batches"]

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """Yield this process's (positions, mask) of each batch, both (batch_size / world,)."""
        order = self._permutation()
        rows = np.arange(len(self) * self.batch_size).reshape(len(self), -1, self.world)[:, :, self.rank]
        for batch in rows:  # where in the order each row lies; those past its end begin anew
            yield order[batch % self.records], batch < self.records

    def _permutation(self) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(self.records, dtype=np.int64)
        random = np.random.default_rng([self.seed, self.epoch])
        labels = self._labels
        drawn = self.records if labels is None else balanced(labels, self._balance, random)
        order = random.permutation(drawn).astype(np.int64)
        if self._groups is None or self.epoch:
            return order
        ranks = random.permutation(int(self._groups.max()) + 1)
        return order[np.argsort(ranks[self._groups[order]], kind="stable")]


def balanced(labels: NDArray[np.int64], balance: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Positions of an epoch in which small classes have more than their share; as many as there are records.

    A class of n records has n ** (1 - balance) parts of the places, rounded up or down at random. Its records have
    them in turn, so that none is shown more than once more often than another of its class.

    Args:
        labels: int64 (records,), negative of records that cannot be used, which have no place.
        balance: 0 leaves each record one place, 1 gives all classes the same number.
        random: draws which classes are rounded up, and which records come once more.
    """
    counts = np.bincount(labels[labels >= 0])
    parts = np.where(counts > 0, counts ** (1.0 - balance), 0)
    exact = parts / parts.sum() * len(labels)
    places = np.floor(exact + 1e-9).astype(np.int64)
    left, beyond = len(labels) - int(places.sum()), np.maximum(exact - places, 0)
    if left:
        places[random.choice(len(places), left, replace=False, p=beyond / beyond.sum())] += 1
    drawn = []
    for label in np.flatnonzero(places):
        own = random.permutation(np.flatnonzero(labels == label))
        drawn.append(np.resize(own, places[label]))
    return np.concatenate(drawn)
