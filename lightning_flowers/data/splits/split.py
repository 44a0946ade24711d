"""A split: records of any number of shards, in order, addressable by position."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.tfrecord.index import LazyShard, ShardRecords, Store
from lightning_flowers.errors import DataError, RecordError

OnBadRecord = Literal["error", "skip"]
MAX_BAD = 0.01  # of a split's records may be left out


class Item(NamedTuple):
    """A record to look at: its picture, uint8 (size, size, 3), RGB; its label, -1 where unknown; its id."""

    picture: NDArray[np.uint8]
    label: int
    id: str


class Split:
    """An ordered list of records.

    Its length is known from the shards' names; a shard is opened when something of it is first asked for.

    Args:
        name: for people, such as its folder.
        size: side of the pictures in pixels.
        rows: int64 (records, 2), the number of each record's shard and its own number therein. Default: all, in order.

    Attributes:
        labels: int64 (records,), -1 where unknown; asking for them opens every shard. Others may be set in their place.
        relabelled: a hash of labels to train on that are not the shards' own, for the fingerprint; "" without.

    Raises:
        DataError: there is no record, or too many are known to be such as cannot be used.
    """

    def __init__(
        self,
        name: str,
        shards: Sequence[LazyShard],
        size: int,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.name, self.shards, self.size = name, list(shards), size
        self.rows = _all_rows(shards) if rows is None else rows
        self._places: list[list[int]] = self.rows.tolist()  # the same: a list answers sooner than an array
        self.skips = any(shard.rules.skip for shard in shards)
        self.relabelled = ""
        if not len(self.rows):
            raise DataError(f"{name}: an empty split: its {len(self.shards)} shards hold no record")
        self.check_bad()

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, position: int) -> Item: ...
    @overload
    def __getitem__(self, position: slice) -> list[Item]: ...
    def __getitem__(self, position: int | slice) -> Item | list[Item]:
        """One record, or those of a slice, its picture decoded, and resized if it has another size.

        Raises:
            IndexError: there are not so many.
            DataError: the record is damaged.
        """
        if isinstance(position, slice):
            return [self[each] for each in range(len(self))[position]]
        records, record = self.find(position)
        picture = np.empty((self.size, self.size, 3), np.uint8)
        self.decode(position, picture)
        return Item(picture, self.label(position), str(records.ids[record]))

    def decode(self, position: int, out: NDArray[np.uint8]) -> None:
        """Decode the picture of one record into `out`, uint8 (size, size, 3), C-contiguous.

        Raises:
            DataError: the record is damaged.
        """
        try:
            decode_into(self.image_bytes(position), out)
        except ValueError as error:
            raise self.error(position, str(error)) from error

    def image_bytes(self, position: int) -> memoryview:
        """The encoded picture (JPEG or PNG) of one record, its record's CRC checked.

        Raises:
            DataError: the record is damaged.
        """
        shard, record = self._places[position]
        return self.shards[shard].records().image_bytes(record)

    def label(self, position: int) -> int:
        """The label of one record, -1 where unknown."""
        if (labels := vars(self).get("labels")) is not None:
            return int(labels[position])
        records, record = self.find(position)
        return int(records.labels[record])

    def find(self, position: int) -> tuple[ShardRecords, int]:
        """What is known of a record's shard, and the record's number therein."""
        shard, record = self._places[position]
        return self.shards[shard].records(), record

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        return np.concatenate([records.labels for records in self._all_records()])[self._flat()]

    @property
    def ids(self) -> NDArray[np.str_]:
        """(records,) strings; opens every shard."""
        return np.array([identity for records in self._all_records() for identity in records.ids])[self._flat()]

    @property
    def remote(self) -> bool:
        """Whether shards are fetched when they are needed."""
        return any(shard.store for shard in self.shards)

    @property
    def fingerprint(self) -> str:
        """`LISTED-CONTENT`, each a SHA-256 (first 16 hex digits), over the rows too where they are not all.

        The first is over the names, sizes in bytes and record counts of the shards, the second over the keys of their
        records, whatever the shards' names and packing. `LISTED` alone where a shard is elsewhere and never came: no
        shard is fetched for this.
        """
        listed = self._digest([f"{Path(shard.where).name} {shard.bytes} {len(shard)}" for shard in self.shards])
        keys = [shard.indexed.key for shard in self.shards if shard.indexed]
        return f"{listed}-{self._digest(keys)}" if len(keys) == len(self.shards) else listed

    def _digest(self, lines: list[str]) -> str:
        if not np.array_equal(self.rows, _all_rows(self.shards)):
            lines = [*lines, hashlib.sha256(self.rows.astype("<i8").tobytes()).hexdigest()]
        if self.relabelled:
            lines = [*lines, self.relabelled]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def error(self, position: int, what: str) -> RecordError:
        """An error about one record, naming shard, record and byte offset."""
        records, record = self.find(position)
        return records.error(record, what)

    @property
    def bad(self) -> dict[int, RecordError]:
        """Why a record cannot be used, by its position; empty unless the shards' rules say skip."""
        opened = [shard.indexed for shard in self.shards]
        if not any(records and records.bad for records in opened):
            return {}
        places = ((position, opened[shard], record) for position, (shard, record) in enumerate(self._places))
        return {
            position: records.error(record, records.bad[record])
            for position, records, record in places
            if records and record in records.bad
        }

    def note_bad(self, position: int, what: str) -> bool:
        """Leave out a record from now on; says whether it was taken for good before."""
        records, record = self.find(position)
        new = record not in records.bad
        records.bad[record] = what
        return new

    def check_bad(self) -> None:
        """Fail if too many records cannot be used.

        Raises:
            DataError: more than 1 % of them.
        """
        bad = self.bad
        if len(bad) > MAX_BAD * len(self):
            raise DataError(
                f"{self.name}: {len(bad)} of {len(self)} records cannot be used, more than {MAX_BAD:.0%} of them; the "
                f"first: {next(iter(bad.values()))}"
            )

    def open(self) -> None:
        """Open every shard.

        Raises:
            DataError: a shard or a record is damaged; or, of a split that skips those, more than 1 % are.
        """
        for shard in self.shards:
            shard.records()
        self.check_bad()

    def prefetch(self, positions: NDArray[np.int64]) -> None:
        """Have the shards that lie elsewhere fetched ahead for a pass over these positions."""
        numbers, first = np.unique(self.rows[positions, 0], return_index=True)
        _prefetch([self.shards[number] for number in numbers[np.argsort(first)].tolist()])

    def interrupt(self) -> None:
        """End all waiting for shards that lie elsewhere, as nobody reads on: a dead network may take minutes."""
        for store in {shard.store for shard in self.shards if shard.store}:
            store.interrupt()

    def select(self, positions: NDArray[np.int64], name: str | None = None) -> "Split":
        """A split of some of these records, over the same shards."""
        return Split(name or self.name, self.shards, self.size, self.rows[positions])

    def _all_records(self) -> Iterator[ShardRecords]:
        """What is known of each shard's records."""
        _prefetch(self.shards)
        return (shard.records() for shard in self.shards)

    def _flat(self) -> NDArray[np.int64]:
        starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        return starts[self.rows[:, 0]] + self.rows[:, 1]


def join(splits: Sequence[Split], name: str) -> Split:
    """One split of all records of several, in their order."""
    starts = np.cumsum([0, *(len(split.shards) for split in splits)])
    rows = [split.rows + [start, 0] for split, start in zip(splits, starts[:-1].tolist(), strict=True)]
    shards = [shard for split in splits for shard in split.shards]
    return Split(name, shards, splits[0].size, np.concatenate(rows))


def _prefetch(shards: Sequence[LazyShard]) -> None:
    """Have those that lie elsewhere fetched ahead, in this order."""
    wanted: dict[Store, list[str]] = {}
    for shard in shards:
        if shard.store and not shard.indexed:
            wanted.setdefault(shard.store, []).append(shard.path)
    for store, paths in wanted.items():
        store.prefetch(paths)


def _all_rows(shards: Sequence[LazyShard]) -> NDArray[np.int64]:
    counts = [len(shard) for shard in shards]
    shard = np.repeat(np.arange(len(counts)), counts)
    starts = np.repeat(np.cumsum([0, *counts[:-1]]), counts) if counts else 0
    return np.stack([shard, np.arange(sum(counts)) - starts], 1).astype(np.int64)
