"""Writes pictures as shards in the competition's format."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tfrecord import TFRecordWriter

from lightning_flowers.data.shards import ShardName


class Record(NamedTuple):
    """One picture to write: JPEG or PNG bytes, its label (None in a test split) and its id."""

    image: bytes
    label: int | None
    id: str


def write_split(folder: Path, size: int, records: Sequence[Record], shards: int) -> list[Path]:
    """Write `records`, in order, into `shards` files NN-SxS-COUNT.tfrec of as equal counts as can be.

    Args:
        folder: made if it is not there; files of the same names in it are overwritten.
        size: side of the pictures in pixels, for the names.

    Raises:
        ValueError: fewer records than shards.
    """
    if not 1 <= shards <= len(records):
        raise ValueError(f"{len(records)} records do not fill {shards} shards")
    folder.mkdir(parents=True, exist_ok=True)
    base, extra = divmod(len(records), shards)
    paths, first = [], 0
    for number in range(shards):
        count = base + (number < extra)
        path = folder / str(ShardName(number, size, count))
        write_shard(path, records[first : first + count])
        paths.append(path)
        first += count
    return paths


def write_shard(path: Path, records: Iterable[Record]) -> None:
    """Write one shard; it gets its name once it is whole."""
    part = path.with_name(f".{path.name}.part")
    writer = TFRecordWriter(str(part))
    try:
        for record in records:
            features: dict[str, tuple[bytes | int, str]] = {
                "image": (record.image, "byte"),
                "id": (record.id.encode(), "byte"),
            }
            if record.label is not None:
                features["class"] = (record.label, "int")
            writer.write(features)
    finally:
        writer.close()
    part.replace(path)
