"""A split: records of any number of shards, in order, addressable by position."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.index import Rules, ShardRecords, SplitShard, Store
from lightning_flowers.data.shards import ShardName
from lightning_flowers.errors import DataError, RecordError

OnBadRecord = Literal["error", "skip"]
MAX_BAD = 0.01  # of a split's records may be left out


class Split:
    """An ordered list of records.

    Its length is known from the shards' names; a shard is opened when something of it is first asked for.

    Args:
        name: for people, such as its folder.
        shards: the shards.
        size: side of the pictures in pixels.
        rows: int64 (records, 2), the number of each record's shard and its own number therein. Default: all, in order.
        streams: whether its shards come from elsewhere and are never all here together.

    Attributes:
        bad: why a record cannot be used, by its position; empty unless the shards' rules say skip.
    """

    def __init__(
        self,
        name: str,
        shards: Sequence[SplitShard],
        size: int,
        rows: NDArray[np.int64] | None = None,
        streams: bool = False,
    ) -> None:
        self.name, self.shards, self.size, self.streams = name, list(shards), size, streams
        self.rows = _all_rows(shards) if rows is None else rows
        self.skips = any(shard.rules.skip for shard in shards)
        self.bad: dict[int, str] = {}
        self._labels: NDArray[np.int64] | None = None
        self._left: dict[int, int] = {}  # of each shard, how many of the planned records are still to be read
        self._lock = Lock()
        if not len(self.rows):
            raise DataError(f"{name}: an empty split: its {len(self.shards)} shards hold no record")

    def __len__(self) -> int:
        return len(self.rows)

    def image_bytes(self, position: int) -> memoryview:
        """The encoded picture (JPEG or PNG) of one record, its record's CRC checked.

        Raises:
            DataError: the record is damaged.
        """
        shard, record = self.rows[position].tolist()
        return self.shards[shard].open().image_bytes(record)

    def label(self, position: int) -> int:
        """The label of one record, -1 where unknown."""
        if self._labels is not None:
            return int(self._labels[position])
        records, record = self.find(position)
        return int(records.labels[record])

    def find(self, position: int) -> tuple[ShardRecords, int]:
        """What is known of a record's shard, and the record's number therein."""
        shard, record = self.rows[position].tolist()
        return self.shards[shard].records(), record

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 (records,), -1 where unknown; opens every shard."""
        if self._labels is None:
            self._labels = np.concatenate([shard.records().labels for shard in self.shards])[self._flat()]
        return self._labels

    @labels.setter
    def labels(self, labels: NDArray[np.int64]) -> None:
        self._labels = labels

    @property
    def ids(self) -> NDArray[np.str_]:
        """(records,) strings; opens every shard."""
        return np.array([identity for shard in self.shards for identity in shard.records().ids])[self._flat()]

    @property
    def lazy(self) -> bool:
        """Whether shards come from elsewhere when they are needed."""
        return any(shard.store for shard in self.shards)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (first 16 hex digits) over the names, sizes in bytes and record counts of the shards, and over the
        rows where they are not all of them."""
        lines = [f"{Path(shard.where).name} {shard.bytes} {len(shard)}" for shard in self.shards]
        if not np.array_equal(self.rows, _all_rows(self.shards)):
            lines.append(hashlib.sha256(self.rows.astype("<i8").tobytes()).hexdigest())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def error(self, position: int, what: str) -> RecordError:
        """An error about one record, naming shard, record and byte offset."""
        records, record = self.find(position)
        return records.shard.error(record, what)

    def note_bad(self, position: int, error: DataError) -> None:
        """Count a record that cannot be used.

        Raises:
            DataError: that are too many.
        """
        with self._lock:
            self.bad[position] = str(error)
            if len(self.bad) > MAX_BAD * len(self):
                raise DataError(
                    f"{self.name}: {len(self.bad)} of {len(self)} records cannot be used, more than "
                    f"{MAX_BAD:.0%} of them; the first: {next(iter(self.bad.values()))}"
                ) from error

    def plan(self, positions: NDArray[np.int64], kept: Callable[[ShardRecords], bool]) -> None:
        """Say which records are to be read next, in their order: shards that are elsewhere are fetched ahead.

        Args:
            positions: int64 (n,).
            kept: whether all pictures of a shard are kept, so that it is not needed.
        """
        if not self.lazy:
            return
        numbers, first, counts = np.unique(self.rows[positions, 0], return_index=True, return_counts=True)
        self._left = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        wanted: dict[Store, list[str]] = {}
        for shard in (self.shards[number] for number in numbers[np.argsort(first)].tolist()):
            if shard.store and not (shard.indexed and kept(shard.indexed)):
                wanted.setdefault(shard.store, []).append(shard.place)
        for store, places in wanted.items():
            store.plan(places)

    def finish(self, positions: NDArray[np.int64]) -> None:
        """Say which of the planned records have been read: shards of which none is left may go."""
        if not self._left:
            return
        for number, count in zip(*np.unique(self.rows[positions, 0], return_counts=True), strict=True):
            self._left[int(number)] -= int(count)
            if not self._left[int(number)] and self.shards[number].store:
                self.shards[number].close()

    def open(self) -> None:
        """Open every shard, and note the records that cannot be used.

        Raises:
            DataError: a shard or a record is damaged; or, of a split that skips those, more than 1 % are.
        """
        opened = [shard.records() for shard in self.shards]
        if not any(records.bad for records in opened):
            return
        for position, (shard, record) in enumerate(self.rows.tolist()):
            if what := opened[shard].bad.get(record):
                self.note_bad(position, opened[shard].shard.error(record, what))

    def check_ids(self) -> None:
        """Fail unless each id stands once.

        Raises:
            DataError: one stands more than once.
        """
        ids = self.ids
        names, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            twice = str(names[counts > 1][0])
            again = int(np.flatnonzero(ids == twice)[1])
            raise self.error(again, f"the id {twice!r} stands more than once: each record needs its own")

    def select(self, positions: NDArray[np.int64], name: str | None = None) -> "Split":
        """A split of some of these records, over the same shards."""
        return Split(name or self.name, self.shards, self.size, self.rows[positions], self.streams)

    def _flat(self) -> NDArray[np.int64]:
        starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        return starts[self.rows[:, 0]] + self.rows[:, 1]


def join(splits: Sequence[Split], name: str) -> Split:
    """One split of all records of several, in their order."""
    starts = np.cumsum([0, *(len(split.shards) for split in splits)])
    rows = [split.rows + [start, 0] for split, start in zip(splits, starts[:-1].tolist(), strict=True)]
    shards = [shard for split in splits for shard in split.shards]
    return Split(name, shards, splits[0].size, np.concatenate(rows), any(split.streams for split in splits))


def open_split(folder: Path, size: int, num_classes: int, labelled: bool, skip: bool = False) -> Split:
    """The split in a folder, every shard of it walked and every record's label and id read.

    Args:
        folder: holds the shards `NN-SxS-COUNT.tfrec`, numbered from 00 without a gap.
        size: the pictures' side in pixels that every shard's name must state.
        num_classes: labels must lie in 0..num_classes-1.
        labelled: whether every record must have a `class`; if not, labels are -1 and each needs an id of its own.
        skip: leave out damaged records, up to 1 % of them, in place of failing.

    Raises:
        DataError: no shard; a damaged, missing or misnamed one; a record without picture, label or id; a label
            outside the classes; an id that stands twice in an unlabelled split.
    """
    rules = Rules(num_classes, labelled, skip)
    paths = find_shards(folder, size)
    split = Split(str(folder), [_local(path, rules) for path in paths], size)
    split.open()
    if not labelled:
        split.check_ids()
    return split


def find_shards(folder: Path, size: int) -> Sequence[Path]:
    """The shards of a folder in the order of their numbers; their names are checked, nothing is read.

    Raises:
        DataError: no folder, no shard, a shard with another kind of name or size, a number missing or twice.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of shards")
    try:
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    return in_order(files, str(folder), size)


def in_order(files: Sequence[Path], folder: str, size: int) -> Sequence[Path]:
    """The shards among the files of a folder (a local one's or a URL's) in the order of their numbers.

    Raises:
        DataError: no shard, a shard with another kind of name or size, a number missing or twice.
    """
    # Anything that may once have been a shard counts: a renamed one must not be silently left out.
    paths = sorted(path for path in files if ".tfrec" in path.name)
    if not paths:
        raise DataError(f"{folder}: an empty split: it holds no shard (NN-SxS-COUNT.tfrec)")
    by_number: dict[int, Path] = {}
    for path in paths:
        name = ShardName.parse(path)
        if name.size != size:
            raise DataError(f"{path}: its name says {name.size} px, its folder {size} px: move it to its own folder")
        if name.number in by_number:
            raise DataError(f"{folder}: {by_number[name.number].name} and {path.name} have the same number: remove one")
        by_number[name.number] = path
    missing = next((number for number in range(len(by_number)) if number not in by_number), None)
    if missing is not None:
        raise DataError(f"{folder}: shard {missing:02d} is missing ({len(paths)} are there): fetch it again")
    return [by_number[number] for number in sorted(by_number)]


def _local(path: Path, rules: Rules) -> SplitShard:
    return SplitShard(str(path), rules, path.stat().st_size if path.exists() else None)  # opening it says what is wrong


def _all_rows(shards: Sequence[SplitShard]) -> NDArray[np.int64]:
    counts = [len(shard) for shard in shards]
    shard = np.repeat(np.arange(len(counts)), counts)
    starts = np.repeat(np.cumsum([0, *counts[:-1]]), counts) if counts else 0
    return np.stack([shard, np.arange(sum(counts)) - starts], 1).astype(np.int64)
