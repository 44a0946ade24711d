"""Writes pictures as shards in the competition's format."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lightning_flowers.data.tfrecord.framing import masked_crc
from lightning_flowers.files import atomic_file


class Record(NamedTuple):
    """One picture to write: JPEG or PNG bytes, its label (None in a test split) and its id."""

    image: bytes
    label: int | None
    id: str


def write_shard(path: Path, records: Iterable[Record]) -> None:
    """Write one shard; it gets its name once it is whole, and leaves nothing behind if it fails."""
    with atomic_file(path) as part, part.open("wb") as file:
        for record in records:
            file.write(frame(serialize(record)))


def serialize(record: Record) -> bytes:
    """The record as a `tf.train.Example`, the same bytes in every process (tfrecord's own writer leaves the order of
    the features to chance)."""
    from tfrecord import example_pb2  # late: it imports torch, which reading shards can do without

    example: Any = example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
    feature = example.features.feature
    feature["image"].bytes_list.value.append(record.image)
    feature["id"].bytes_list.value.append(record.id.encode())
    if record.label is not None:
        feature["class"].int64_list.value.append(record.label)
    return example.SerializeToString(deterministic=True)


def frame(payload: bytes) -> bytes:
    """A payload as TFRecord frames it: length, CRC of the length, payload, CRC of the payload."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, struct.pack("<I", masked_crc(length)), payload, struct.pack("<I", masked_crc(payload))))
