"""Reads `tf.train.Example` messages in place, without copying the picture.

A protobuf parser copies every byte it reads; an index over 2 GB of shards must touch only the few bytes around each
picture. So the wire format is walked by hand here, by the rules of https://protobuf.dev/programming-guides/encoding/
for the three nested messages of https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from lightning_flowers.data.tfrecord.file_bytes import Bytes

Kind = Literal["bytes", "float", "int64", "nothing"]
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
_TAG_BYTES, _LAST_NUMBER = 5, (1 << 29) - 1
_KINDS: dict[int, Kind] = {1: "bytes", 2: "float", 3: "int64"}


class Feature(NamedTuple):
    """One feature of an Example: `spans` of a bytes list as (start, stop) in the buffer, or `ints` of an int64 list."""

    kind: Kind
    spans: list[tuple[int, int]]
    ints: list[int]


class Field(NamedTuple):
    """One field on the wire; a varint has its value in `start`, all others lie in buffer[start:stop]."""

    number: int
    wire: int
    start: int
    stop: int


def read_example(buffer: Bytes, start: int, stop: int) -> dict[str, Feature]:
    """Find the features of the serialized `Example` in buffer[start:stop].

    Raises:
        ValueError: the bytes are not a well-formed Example; the message says what is wrong, and at which byte.
    """
    features: dict[str, Feature] = {}
    for example_field in _messages(buffer, start, stop, number=1):
        for entry in _messages(buffer, *example_field, number=1):
            name, feature = _read_entry(buffer, *entry)
            features[name] = feature
    return features


def one_value(name: str, feature: Feature, kinds: Sequence[Kind]) -> Feature:
    """The feature, which must hold one value, of one of these kinds.

    Raises:
        ValueError: it holds something else.
    """
    if feature.kind not in kinds:
        raise ValueError(f"the feature {name!r} is of kind {feature.kind}, not {' or '.join(kinds)}")
    if (count := len(feature.spans) + len(feature.ints)) != 1:
        raise ValueError(f"the feature {name!r} holds {count} values, not one")
    return feature


def _read_entry(buffer: Bytes, start: int, stop: int) -> tuple[str, Feature]:
    # Parsers differ over an entry of a map that has more than its key and its value: no writer makes one.
    fields: dict[int, Field] = {}
    for field in _fields(buffer, start, stop):
        if field.number > 2 or field.wire != LENGTH_DELIMITED or field.number in fields:
            raise ValueError(f"the feature at byte {start} has more than a name and a value")
        fields[field.number] = field
    name = bytes(buffer[fields[1].start : fields[1].stop]).decode("utf-8") if 1 in fields else ""
    feature = _read_feature(buffer, fields[2].start, fields[2].stop) if 2 in fields else Feature("nothing", [], [])
    return name, feature


def _read_feature(buffer: Bytes, start: int, stop: int) -> Feature:
    feature = Feature("nothing", [], [])
    for field in _fields(buffer, start, stop):
        kind = _KINDS.get(field.number) if field.wire == LENGTH_DELIMITED else None
        if kind is None:
            continue
        if kind != feature.kind:  # a oneof: the last kind on the wire wins
            feature = Feature(kind, [], [])
        if kind == "bytes":
            feature.spans.extend(_messages(buffer, field.start, field.stop, number=1))
        elif kind == "int64":
            feature.ints.extend(_read_ints(buffer, field.start, field.stop))
        else:
            _check_floats(buffer, field.start, field.stop)
    return feature


def _read_ints(buffer: Bytes, start: int, stop: int) -> Iterator[int]:
    for field in _fields(buffer, start, stop):
        if field.number != 1:
            continue
        if field.wire == VARINT:
            yield _signed(field.start)
        elif field.wire == LENGTH_DELIMITED:  # packed, which is what TensorFlow writes
            position = field.start
            while position < field.stop:
                value, position = _varint(buffer, position, field.stop)
                yield _signed(value)


def _check_floats(buffer: Bytes, start: int, stop: int) -> None:
    for field in _fields(buffer, start, stop):
        if field.number == 1 and field.wire == LENGTH_DELIMITED and (field.stop - field.start) % 4:
            raise ValueError(f"floats at byte {field.start} of {field.stop - field.start} bytes")


def _messages(buffer: Bytes, start: int, stop: int, number: int) -> Iterator[tuple[int, int]]:
    for field in _fields(buffer, start, stop):
        if field.number == number and field.wire == LENGTH_DELIMITED:
            yield field.start, field.stop


def _fields(buffer: Bytes, start: int, stop: int) -> Iterator[Field]:
    position = start
    while position < stop:
        tag_start = position
        tag, position = _varint(buffer, position, stop)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= _LAST_NUMBER or position - tag_start > _TAG_BYTES:
            raise ValueError(f"field number {number} at byte {position}, {position - tag_start} bytes long")
        if wire == VARINT:
            value, position = _varint(buffer, position, stop)
            yield Field(number, wire, value, value)
            continue
        size, position = _payload_size(buffer, position, stop, wire)
        if position + size > stop:
            raise ValueError(f"field {number} at byte {position} claims {size} bytes, {stop - position} are left")
        yield Field(number, wire, position, position + size)
        position += size


def _payload_size(buffer: Bytes, position: int, stop: int, wire: int) -> tuple[int, int]:
    if wire == LENGTH_DELIMITED:
        return _varint(buffer, position, stop)
    sizes = {FIXED64: 8, FIXED32: 4}
    if wire not in sizes:
        raise ValueError(f"unknown wire type {wire} at byte {position}")
    return sizes[wire], position


def _varint(buffer: Bytes, position: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while position < stop:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise ValueError(f"a varint longer than 10 bytes ends at byte {position}")
    raise ValueError(f"a varint runs past byte {stop}")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
