"""Prefetches the shards that a pass over a split reads, and lets them go when they are read."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.splits.split import Split, prefetch


class Prefetch:
    """What a pass still has to read of each remote shard. Nothing needs doing where all shards are local.

    Args:
        split: what is read.
        positions: int64 (n,), what will be read, in this order.
        kept: whether all pictures of a shard, by its number, are kept, so that it is not needed.
    """

    def __init__(self, split: Split, positions: NDArray[np.int64], kept: Callable[[int], bool]) -> None:
        self._split = split
        self._left: dict[int, int] = {}
        if not split.remote:
            return
        numbers, first, counts = np.unique(split.rows[positions, 0], return_index=True, return_counts=True)
        self._left = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        prefetch(split.shards[number] for number in numbers[np.argsort(first)].tolist() if not kept(number))

    def advance(self, positions: NDArray[np.int64]) -> None:
        """These have been read: shards of which nothing is left may go."""
        if not self._left:
            return
        for number, count in zip(*np.unique(self._split.rows[positions, 0], return_counts=True), strict=True):
            self._left[int(number)] -= int(count)
            if not self._left[int(number)]:
                self._close(int(number))

    def close(self) -> None:
        """The pass ends here: all shards may go."""
        for number in list(self._left):
            self._close(number)

    def _close(self, number: int) -> None:
        del self._left[number]
        if self._split.shards[number].store:
            self._split.shards[number].close()
