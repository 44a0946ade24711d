"""What must hold of any bytes whatever: used by the fuzz target, and by tests/data/test_mutations.py."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tfrecord import TFRecordWriter, example_pb2

from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.tfrecord.example import read_example
from lightning_flowers.data.tfrecord.index import Rules, ShardRecords
from lightning_flowers.errors import DataError

CLASSES = 104
Values = tuple[bytes, int, str]
Features = dict[str, tuple[str, list[bytes], list[int]]]

_parse: Any = example_pb2.Example.FromString  # pyright: ignore[reportAttributeAccessIssue]


def check_shard(path: Path) -> dict[int, Values]:
    """Read a file as a shard, failing and skipping: both raise nothing but DataError, and both tell the truth.

    Returns:
        Image, label and id of each record that can be read, by its number.
    """
    skipping = _read(path, skip=True)
    failing = _read(path, skip=False)
    assert failing.items() <= skipping.items(), "a record that can be read was skipped"
    return skipping


def check_example(data: bytes) -> None:
    """Whatever our reader accepts, protobuf's accepts, and they agree; it may refuse more."""
    try:
        features = read_example(memoryview(data), 0, len(data))
    except ValueError as error:
        _check_line(error)
        return
    ours = {name: (f.kind, [data[start:stop] for start, stop in f.spans], f.ints) for name, f in features.items()}
    theirs = protobuf_reads(data)
    assert ours == theirs, f"{ours} is not {theirs}"


def check_picture(data: bytes) -> bool:
    """A picture is refused with ValueError, or fills the whole of its place, the same each time; says which."""
    dark, light = np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)
    try:
        resized = decode_into(memoryview(data), dark)
    except ValueError as error:
        _check_line(error)
        return False
    assert decode_into(memoryview(data), light) == resized
    assert (dark == light).all(), "the picture does not fill its place"
    return True


def protobuf_reads(data: bytes) -> Features:
    """What the protobuf package reads from an Example."""
    result = {}
    for name, feature in _parse(data).features.feature.items():
        kind = (feature.WhichOneof("kind") or "nothing").removesuffix("_list")
        result[name] = (kind, list(feature.bytes_list.value), list(feature.int64_list.value))
    return result


def frame(payload: bytes) -> bytes:
    """A payload as the tfrecord package frames it."""
    length = struct.pack("<Q", len(payload))
    return length + TFRecordWriter.masked_crc(length) + payload + TFRecordWriter.masked_crc(payload)


def payloads_of(data: bytes) -> list[bytes]:
    """The payloads of a shard up to the first that does not fit, no CRC looked at."""
    found, position = [], 0
    while position + 16 <= len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        if length > len(data) - position - 16:
            break
        found.append(data[position + 12 : position + 12 + length])
        position += 16 + length
    return found


def _read(path: Path, skip: bool) -> dict[int, Values]:
    try:
        records = ShardRecords(path, Rules(CLASSES, labelled=True, skip=skip))
    except DataError as error:
        _check_line(error, path)
        return {}
    found = {}
    for record in range(len(records)):
        try:
            found[record] = _values(records, record)
        except DataError as error:
            _check_line(error, path)
            _check_noted(records, record, skip, str(error))
    if not skip and len(found) == len(records):
        _check_whole(path, list(found.values()))
    return found


def _values(records: ShardRecords, record: int) -> Values:
    image = bytes(records.image_bytes(record))
    values = image, int(records.labels[record]), records.ids[record]
    payload = records.payload(record)
    crc = struct.pack("<I", records.spans[record].crc)
    assert TFRecordWriter.masked_crc(payload) == crc, "the CRC was not checked"
    assert values == _protobuf_values(payload, records.ids[record]), "protobuf reads something else"
    assert 0 <= values[1] < CLASSES
    return values


def _protobuf_values(payload: bytes, default: str) -> Values:
    try:
        features = protobuf_reads(payload)
    except DecodeError as error:
        raise AssertionError("protobuf refuses the record") from error
    (image,), (label,) = features["image"][1], features["class"][2]
    return image, label, features["id"][1][0].decode() if "id" in features else default


def _check_whole(path: Path, values: list[Values]) -> None:
    """A shard that was read without an error holds these records, one after the other, and nothing else."""
    data = path.read_bytes()
    payloads = payloads_of(data)
    assert data == b"".join(map(frame, payloads)), "damage was read as whole"
    assert [_protobuf_values(payload, values[at][2]) for at, payload in enumerate(payloads)] == values


def _check_noted(records: ShardRecords, record: int, skip: bool, error: str) -> None:
    assert f"record {record} at byte " in error
    assert not skip or record in records.bad, f"a damaged record was not noted: {error}"


def _check_line(error: Exception, path: Path | None = None) -> None:
    assert str(error), "an error without a message"
    assert "\n" not in str(error), f"more than one line: {error}"
    assert path is None or str(path) in str(error), f"names no shard: {error}"
