"""A split: the records of a folder of shards, in order, addressable by position."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.example import Feature, read_example
from lightning_flowers.data.shards import Shard, ShardName
from lightning_flowers.errors import DataError

UNKNOWN_LABEL = -1


class Split:
    """An ordered list of records; what each is called and labelled is known without decoding a picture.

    Args:
        folder: holds the shards `NN-SxS-COUNT.tfrec`, numbered from 00 without a gap.
        size: the pictures' side in pixels that every shard's name must state.
        num_classes: labels must lie in 0..num_classes-1.
        labelled: whether every record must have a `class`; if not, labels are -1.

    Attributes:
        labels: int64 (records,), -1 where unknown.
        ids: (records,) strings; a labelled record without an `id` is called `SHARD:RECORD`.

    Raises:
        DataError: no shard; a damaged, missing or misnamed one; a record without picture, label or id; a label
            outside the classes; an id that stands twice in an unlabelled split.
    """

    def __init__(self, folder: Path, size: int, num_classes: int, labelled: bool) -> None:
        self.folder, self.size, self.num_classes, self.labelled = folder, size, num_classes, labelled
        self.shards = [Shard(path) for path in find_shards(folder, size)]
        places: list[tuple[int, int, int, int]] = []
        labels: list[int] = []
        ids: list[str] = []
        for number, shard in enumerate(self.shards):
            for record in range(len(shard)):
                (start, stop), label, identity = self._read_record(shard, record)
                places.append((number, record, start, stop))
                labels.append(label)
                ids.append(identity)
        if not places:
            raise DataError(f"{folder}: an empty split: its {len(self.shards)} shards hold no record")
        self._places = places
        self.labels: NDArray[np.int64] = np.array(labels, dtype=np.int64)
        self.ids: NDArray[np.str_] = np.array(ids, dtype=np.str_)
        if not labelled:
            self._check_ids()

    def __len__(self) -> int:
        return len(self._places)

    def image_bytes(self, position: int) -> memoryview:
        """The encoded picture (JPEG or PNG) of one record, its record's CRC checked.

        Raises:
            DataError: the record is damaged.
        """
        number, record, start, stop = self._places[position]
        shard = self.shards[number]
        shard.payload(record)
        return shard.buffer[start:stop]

    def error(self, position: int, what: str) -> DataError:
        """A DataError about one record, naming shard, record and byte offset."""
        number, record, _, _ = self._places[position]
        return self.shards[number].error(record, what)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (first 16 hex digits) over the names, sizes in bytes and record counts of the shards."""
        rows = [f"{shard.path.name} {shard.bytes} {len(shard)}" for shard in self.shards]
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]

    def _read_record(self, shard: Shard, record: int) -> tuple[tuple[int, int], int, str]:
        offset, length = shard.spans[record]
        try:
            features = read_example(shard.buffer, offset, offset + length)
            image = _one_value("image", features.get("image"), "bytes").spans[0]
            label = self._read_label(features)
            identity = self._read_id(shard, record, features)
        except ValueError as error:
            raise shard.error(record, f"{error}: fetch or write the shard again") from error
        return image, label, identity

    def _read_label(self, features: dict[str, Feature]) -> int:
        if not self.labelled:
            return UNKNOWN_LABEL
        (label,) = _one_value("class", features.get("class"), "int64").ints
        if not 0 <= label < self.num_classes:
            raise ValueError(
                f"label {label} is outside the {self.num_classes} classes 0..{self.num_classes - 1} "
                "(a data set with classes of its own names them in classes.txt beside the shards' folders)"
            )
        return label

    def _read_id(self, shard: Shard, record: int, features: dict[str, Feature]) -> str:
        if "id" not in features and self.labelled:
            return f"{shard.path.stem}:{record}"
        start, stop = _one_value("id", features.get("id"), "bytes").spans[0]
        if start == stop:
            raise ValueError("the feature 'id' is empty")
        return bytes(shard.buffer[start:stop]).decode("utf-8")

    def _check_ids(self) -> None:
        names, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            twice = str(names[counts > 1][0])
            raise DataError(f"{self.folder}: the id {twice!r} stands more than once: each needs its own")


def find_shards(folder: Path, size: int) -> Sequence[Path]:
    """The shards of a folder in the order of their numbers; their names are checked, nothing is read.

    Raises:
        DataError: no folder, no shard, a shard with another kind of name or size, a number missing or twice.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of shards")
    # Anything that may once have been a shard counts: a renamed one must not be silently left out.
    paths = sorted(path for path in folder.iterdir() if ".tfrec" in path.name and not path.name.startswith("."))
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


def _one_value(name: str, feature: Feature | None, kind: str) -> Feature:
    if feature is None:
        raise ValueError(f"the record has no feature {name!r}")
    if feature.kind != kind:
        raise ValueError(f"the feature {name!r} is of kind {feature.kind}, not {kind}")
    count = len(feature.spans) + len(feature.ints)
    if count != 1:
        raise ValueError(f"the feature {name!r} holds {count} values, not one")
    return feature
