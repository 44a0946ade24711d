"""The records of one shard: where each picture lies, its label and its id, found without reading a picture."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.example import Feature, read_example
from lightning_flowers.data.shards import Shard, ShardName
from lightning_flowers.errors import RecordError

UNKNOWN_LABEL = -1


@dataclass(frozen=True)
class Rules:
    """What every record of a split must keep to.

    Attributes:
        num_classes: labels must lie in 0..num_classes-1.
        labelled: whether every record must have a `class`; if not, labels are -1.
        skip: whether damaged records are noted in place of failing.
        evictable: whether the files lie in a cache that may delete them.
    """

    num_classes: int
    labelled: bool
    skip: bool = False
    evictable: bool = False


class ShardRecords:
    """What an opened shard holds.

    Args:
        path: the shard.
        rules: what its records must keep to.

    Attributes:
        shard: the file.
        labels: int64 (records,), -1 where unknown.
        ids: of each record; a labelled record without an `id`, or a damaged one, is called `SHARD:RECORD`.
        bad: why a record cannot be used, by its number; empty unless the rules say skip.

    Raises:
        DataError: a damaged record, or one without picture, label or id, or with a label outside the classes; where
            the rules say skip, only a file that cannot be read at all.
    """

    def __init__(self, path: Path, rules: Rules) -> None:
        self.shard = Shard(path, rules.skip, rules.evictable)
        self.bad = self.shard.bad
        self.labels: NDArray[np.int64] = np.full(len(self.shard), UNKNOWN_LABEL, np.int64)
        self.ids = [f"{path.name.split('.')[0]}:{record}" for record in range(len(self.shard))]
        self._images = np.zeros((len(self.shard), 2), np.int64)
        self._rules = rules
        with self.shard.mapped() as buffer:
            for record in range(len(self.shard.spans)):
                self._index(buffer, record)

    def __len__(self) -> int:
        return len(self.shard)

    @property
    def key(self) -> str:
        """SHA-256 (first 32 hex digits) over the lengths and CRCs of all records: the same pictures, the same key."""
        spans = np.array([(span.length, span.crc) for span in self.shard.spans], np.int64)
        return hashlib.sha256(spans.tobytes()).hexdigest()[:32]

    def image_bytes(self, record: int) -> memoryview:
        """The encoded picture (JPEG or PNG) of one record, the record's CRC checked.

        Raises:
            DataError: the record is damaged.
        """
        payload = self.shard.payload(record)
        start, stop = self._images[record].tolist()
        return memoryview(payload)[start:stop]

    def _index(self, buffer: memoryview, record: int) -> None:
        if record in self.bad:
            return
        offset, length, _ = self.shard.spans[record]
        try:
            features = read_example(buffer, offset, offset + length)
            start, stop = _one_value("image", features.get("image"), "bytes").spans[0]
            self._images[record] = start - offset, stop - offset
            self.labels[record] = self._read_label(features)
            self.ids[record] = self._read_id(buffer, features, self.ids[record])
            if self._rules.skip:  # so that all processes leave out the same records, from the start
                self.shard.payload(record)
        except (ValueError, RecordError) as error:
            what = error.what if isinstance(error, RecordError) else f"{error}: fetch or write the shard again"
            if not self._rules.skip:
                raise self.shard.error(record, what) from error
            self.bad[record] = what
            self.labels[record] = UNKNOWN_LABEL

    def _read_label(self, features: dict[str, Feature]) -> int:
        if not self._rules.labelled:
            return UNKNOWN_LABEL
        (label,) = _one_value("class", features.get("class"), "int64").ints
        if not 0 <= label < self._rules.num_classes:
            raise ValueError(
                f"label {label} is outside the {self._rules.num_classes} classes 0..{self._rules.num_classes - 1} "
                "(a data set with classes of its own names them in classes.txt beside the shards' folders)"
            )
        return label

    def _read_id(self, buffer: memoryview, features: dict[str, Feature], default: str) -> str:
        if "id" not in features and self._rules.labelled:
            return default
        start, stop = _one_value("id", features.get("id"), "bytes").spans[0]
        if start == stop:
            raise ValueError("the feature 'id' is empty")
        return bytes(buffer[start:stop]).decode("utf-8")


class SplitShard:
    """One shard of a split, opened when it is first needed.

    Args:
        where: its path or URL, for people.
        size: side of the pictures in pixels, which its name must state.
        rules: what its records must keep to.
        fetch: brings the file, or waits until it is here, and says where it lies.
        bytes: its size as it is stored, or None where that is not known.
    """

    def __init__(self, where: str, rules: Rules, fetch: Callable[[], Path], bytes: int | None = None) -> None:
        self.where, self.rules, self.bytes = where, rules, bytes
        self.name = ShardName.parse(Path(where))
        self._fetch = fetch
        self._records: ShardRecords | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return self.name.records

    def open(self) -> ShardRecords:
        """Its records; waits for a shard that is still on its way.

        Raises:
            DataError: it cannot be had, or it is damaged.
        """
        with self._lock:
            if self._records is None:
                self._records = ShardRecords(self._fetch(), self.rules)
        return self._records

    @property
    def opened(self) -> ShardRecords | None:
        """Its records if it is open."""
        return self._records


def _one_value(name: str, feature: Feature | None, kind: str) -> Feature:
    if feature is None:
        raise ValueError(f"the record has no feature {name!r}")
    if feature.kind != kind:
        raise ValueError(f"the feature {name!r} is of kind {feature.kind}, not {kind}")
    count = len(feature.spans) + len(feature.ints)
    if count != 1:
        raise ValueError(f"the feature {name!r} holds {count} values, not one")
    return feature
