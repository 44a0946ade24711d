"""The records of one shard: where each picture lies, its label and its id, found without reading a picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.tfrecord.example import Feature, Kind, one_value, read_example
from lightning_flowers.data.tfrecord.file_bytes import FileBytes
from lightning_flowers.data.tfrecord.shard import Shard, ShardName
from lightning_flowers.errors import RecordError

UNKNOWN_LABEL = -1
_SHOWN = 8  # features that an error lists
_MEND = "write the shard with 'image' (JPEG or PNG bytes), 'class' (int64), 'id' (bytes)"


@dataclass(frozen=True)
class Rules:
    """What every record of a split must keep to.

    Attributes:
        num_classes: labels must lie in 0..num_classes-1.
        labelled: whether every record must have a `class`; if not, labels are -1.
        skip: whether damaged records are noted in place of failing.
        order: what each label is in the run, where the data set has the run's classes in another order.
    """

    num_classes: int
    labelled: bool
    skip: bool = False
    order: tuple[int, ...] | None = None


class ShardRecords(Shard):
    """A shard, and what its records hold.

    Attributes:
        labels: int64 (records,), -1 where unknown.
        ids: of each record; a labelled record without an `id`, or a damaged one, is called `SHARD:RECORD`.
        bad: why a record cannot be used, by its number; empty unless the rules say skip.
        key: SHA-256 (first 32 hex digits) over the lengths and CRCs of all records, and what was read of them without
            checking the CRC: the same pictures, labels and ids, the same key.

    Raises:
        DataError: a damaged record, or one without picture, label or id, or with a label outside the classes; where
            the rules say skip, only a file that cannot be read at all.
    """

    def __init__(self, path: Path, rules: Rules) -> None:
        super().__init__(path, rules.skip)
        self.labels: NDArray[np.int64] = np.full(len(self), UNKNOWN_LABEL, np.int64)
        self.ids = [self._name(record) for record in range(len(self))]
        self._images = np.zeros((len(self), 2), np.int64)
        self._rules = rules
        buffer = self.file_bytes()
        for record in range(len(self.spans)):
            self._index(buffer, record)
        spans = [(span.length, span.crc) for span in self.spans]
        read = self._images.tolist(), self.labels.tolist(), self.ids
        self.key = hashlib.sha256(repr((spans, *read)).encode()).hexdigest()[:32]

    def image_bytes(self, record: int) -> memoryview:
        """The encoded picture (JPEG or PNG) of one record, the record's CRC checked.

        Raises:
            DataError: the record is damaged.
        """
        payload = self.payload(record)
        start, stop = self._images[record].tolist()
        return memoryview(payload)[start:stop]

    def _index(self, buffer: FileBytes, record: int) -> None:
        if record in self.bad:
            return
        try:
            self._read(buffer, record)
            if self._rules.skip:  # so that all processes leave out the same records, from the start
                self.payload(record)
        except (ValueError, OSError, RecordError) as error:
            damage = self._damage(record, error)
            if not self._rules.skip:
                raise damage from error
            self.bad[record] = damage.what
            self.labels[record], self.ids[record] = UNKNOWN_LABEL, self._name(record)

    def _read(self, buffer: FileBytes, record: int) -> None:
        offset, length, _ = self.spans[record]
        features = read_example(buffer, offset, offset + length)
        start, stop = _one_value("image", features, "bytes").spans[0]
        self._images[record] = start - offset, stop - offset
        self.labels[record] = self._read_label(features)
        self.ids[record] = self._read_id(buffer, features, self.ids[record])

    def _damage(self, record: int, error: Exception) -> RecordError:
        if isinstance(error, RecordError):
            return error
        if isinstance(error, OSError):
            return self.error(record, f"cannot be read: {error.strerror}")
        try:  # a flipped byte can look like anything: what the CRC says comes first
            self.payload(record)
        except RecordError as damage:
            return damage
        return self.error(record, f"{error}: {_MEND}")

    def _name(self, record: int) -> str:
        return f"{self.path.name.split('.')[0]}:{record}"

    def _read_label(self, features: dict[str, Feature]) -> int:
        if not self._rules.labelled:
            return UNKNOWN_LABEL
        (label,) = _one_value("class", features, "int64").ints
        if not 0 <= label < self._rules.num_classes:
            raise ValueError(
                f"label {label} is outside the {self._rules.num_classes} classes 0..{self._rules.num_classes - 1} "
                "(a data set with classes of its own names them in classes.txt beside the shards' folders)"
            )
        return self._rules.order[label] if self._rules.order else label

    def _read_id(self, buffer: FileBytes, features: dict[str, Feature], default: str) -> str:
        if "id" not in features and self._rules.labelled:
            return default
        start, stop = _one_value("id", features, "bytes").spans[0]
        if start == stop:
            raise ValueError("the feature 'id' is empty")
        return bytes(buffer[start:stop]).decode("utf-8")


class Store(Protocol):
    """Brings shards from elsewhere."""

    def prefetch(self, paths: Sequence[str]) -> None:
        """Fetch these ahead: they will be needed, in this order."""

    def get(self, path: str) -> Path:
        """Where the file lies, once it is here, whole and checked."""
        ...

    def interrupt(self) -> None:
        """End all fetching, and all waiting in other threads."""


class LazyShard:
    """One shard of a split, opened when it is first needed.

    Args:
        where: its path or URL, for people.
        bytes: its size as it is stored, or None where that is not known.
        store: what brings it, if it is not a file of this host.
        path: in the store.

    Attributes:
        indexed: what is known of its records, once it was opened.
    """

    def __init__(self, where: str, rules: Rules, bytes: int | None, store: Store | None = None, path: str = "") -> None:
        self.where, self.rules, self.bytes, self.store, self.path = where, rules, bytes, store, path
        self.name = ShardName.parse(Path(where))
        self.indexed: ShardRecords | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return self.name.records

    def records(self) -> ShardRecords:
        """Its records; the first time this waits for a shard that is still on its way.

        Raises:
            DataError: it cannot be had, or it is damaged.
        """
        if self.indexed is None:
            with self._lock:
                if self.indexed is None:
                    path = self.store.get(self.path) if self.store else Path(self.where)
                    self.indexed = ShardRecords(path, self.rules)
        return self.indexed


def _one_value(name: str, features: dict[str, Feature], kind: Kind) -> Feature:
    if name not in features:
        found = [f"{other!r} ({it.kind})" for other, it in sorted(features.items())[:_SHOWN]]
        more = f" and {len(features) - _SHOWN} more" if len(features) > _SHOWN else ""
        raise ValueError(f"the record has no feature {name!r}, only {', '.join(found) or 'none'}{more}")
    return one_value(name, features[name], (kind,))
