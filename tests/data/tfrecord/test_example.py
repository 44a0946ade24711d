"""The reader of Examples: it agrees with protobuf's parser, and no bytes make it do worse than raise ValueError."""

import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import example_pb2

from lightning_flowers.data.tfrecord.example import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, Feature, read_example

parse: Any = example_pb2.Example.FromString  # pyright: ignore[reportAttributeAccessIssue]

KINDS = {"bytes": 1, "float": 2, "int64": 3}
INTS = st.integers(-(2**63), 2**63 - 1)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, wire: int, content: bytes) -> bytes:
    length = varint(len(content)) if wire == LENGTH_DELIMITED else b""
    return varint(number << 3 | wire) + length + content


def message(number: int, *parts: bytes) -> bytes:
    return field(number, LENGTH_DELIMITED, b"".join(parts))


def packed(*values: int) -> bytes:
    return message(1, *map(varint, values))


def unpacked(*values: int) -> bytes:
    return b"".join(field(1, VARINT, varint(value)) for value in values)


def example(**features: bytes) -> bytes:
    return message(1, *(message(1, message(1, name.encode()), message(2, value)) for name, value in features.items()))


def read(data: bytes) -> dict[str, tuple[str, list[bytes], list[int]]]:
    features = read_example(memoryview(data), 0, len(data))
    return {name: (f.kind, [data[start:stop] for start, stop in f.spans], f.ints) for name, f in features.items()}


def protobuf_reads(data: bytes) -> dict[str, tuple[str, list[bytes], list[int]]]:
    result = {}
    for name, feature in parse(data).features.feature.items():
        kind = (feature.WhichOneof("kind") or "nothing").removesuffix("_list")
        result[name] = (kind, list(feature.bytes_list.value), list(feature.int64_list.value))
    return result


# Fields of later versions of the format, which a reader must pass over.
UNKNOWN = st.one_of(
    st.builds(lambda n, v: field(n, VARINT, varint(v)), st.integers(4, 3000), INTS),
    st.builds(lambda n, v: field(n, FIXED64, v), st.integers(4, 3000), st.binary(min_size=8, max_size=8)),
    st.builds(lambda n, v: field(n, FIXED32, v), st.integers(4, 3000), st.binary(min_size=4, max_size=4)),
    st.builds(message, st.integers(4, 3000), st.binary(max_size=20)),
)


def shuffled(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """The parts in any order, unknown fields among them."""
    unknown = st.lists(UNKNOWN, max_size=2)
    return st.tuples(st.tuples(*parts), unknown).flatmap(lambda p: st.permutations([*p[0], *p[1]])).map(b"".join)


BYTES_LIST = st.lists(st.builds(message, st.just(1), st.binary(max_size=40)), max_size=3).map(b"".join)
INT_LIST = st.lists(
    st.one_of(
        st.lists(INTS, max_size=3).map(lambda v: packed(*v)), st.lists(INTS, max_size=3).map(lambda v: unpacked(*v))
    ),
    max_size=3,
).map(b"".join)
FLOAT_LIST = st.lists(st.floats(width=32), max_size=3).map(lambda v: message(1, struct.pack(f"<{len(v)}f", *v)))
# One kind, none, or several of which the last counts; the same kind twice is merged.
FEATURE = st.lists(
    st.one_of(
        st.builds(message, st.just(1), BYTES_LIST),
        st.builds(message, st.just(2), FLOAT_LIST),
        st.builds(message, st.just(3), INT_LIST),
    ),
    max_size=3,
).flatmap(lambda kinds: shuffled(*map(st.just, kinds)))
NAME = st.one_of(st.sampled_from(["image", "class", "id", ""]), st.text(max_size=5))
# No unknown fields in an entry itself: protobuf's own parsers differ there (C++ passes over them, upb over the entry).
ENTRY = st.tuples(NAME.map(lambda name: message(1, name.encode())), FEATURE.map(lambda f: message(2, f))).flatmap(
    lambda parts: st.permutations(parts).map(b"".join)
)
FEATURES = st.lists(ENTRY, max_size=4).flatmap(lambda entries: shuffled(*(st.just(message(1, e)) for e in entries)))
EXAMPLE = st.lists(FEATURES, max_size=3).flatmap(lambda all_: shuffled(*(st.just(message(1, f)) for f in all_)))


@settings(max_examples=60, deadline=None)
@given(EXAMPLE)
def test_any_example_reads_as_protobuf_reads_it(data: bytes) -> None:
    assert read(data) == protobuf_reads(data)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.one_of(st.lists(st.binary()), st.lists(INTS), st.none()), max_size=5))
def test_what_protobuf_writes_is_read_back(features: dict[str, list[Any] | None]) -> None:
    written: Any = example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
    for name, values in features.items():
        feature = written.features.feature[name]
        if values is None:
            feature.float_list.value.append(0.5)
        elif values and isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.bytes_list.value.extend(values)
    data = written.SerializeToString()
    assert read(data) == protobuf_reads(data)
    assert read(data).keys() == features.keys()


@settings(max_examples=60, deadline=None)
@given(EXAMPLE, st.data())
def test_mutated_bytes_are_read_or_refused_with_value_error(data: bytes, choose: st.DataObject) -> None:
    mutated = bytearray(data)
    for _ in range(choose.draw(st.integers(1, 3))):
        at = choose.draw(st.integers(0, len(mutated)))
        junk = choose.draw(st.binary(max_size=3))
        mutated[at : at + choose.draw(st.integers(0, 3))] = junk
    _read_or_refuse(bytes(mutated[: choose.draw(st.integers(0, len(mutated)))]))
    _read_or_refuse(bytes(mutated))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_random_bytes_are_read_or_refused_with_value_error(data: bytes) -> None:
    _read_or_refuse(data)


def _read_or_refuse(data: bytes) -> None:
    try:
        features = read_example(memoryview(data), 0, len(data))
    except ValueError:  # and no other error
        return
    spans = [span for feature in features.values() for span in feature.spans]
    assert all(0 <= start <= stop <= len(data) for start, stop in spans)


def test_reading_stays_inside_the_record() -> None:
    whole = example(id=message(1, message(1, b"rose")))
    buffer = memoryview(b"\xff" * 5 + whole + b"\xff" * 5)
    (start, stop) = read_example(buffer, 5, 5 + len(whole))["id"].spans[0]
    assert bytes(buffer[start:stop]) == b"rose"
    with pytest.raises(ValueError, match="claims"):
        read_example(buffer, 5, 4 + len(whole))


def test_a_picture_is_pointed_at_and_not_copied() -> None:
    data = example(image=message(1, message(1, bytes(1 << 22))))
    tracemalloc.start()
    try:
        ((start, stop),) = read_example(memoryview(data), 0, len(data))["image"].spans
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stop - start == 1 << 22
    assert peak < 1 << 16


@pytest.mark.parametrize("claimed", [100, 2**31, 2**33, 2**62, 2**63, 2**64 - 1])
def test_a_length_past_the_end_is_refused_without_allocating_it(claimed: int) -> None:
    data = varint(1 << 3 | LENGTH_DELIMITED) + varint(claimed) + b"rest"
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"claims {claimed} bytes, 4 are left"):
            read_example(memoryview(data), 0, len(data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x0a", "varint runs past byte 1"),
        (b"\x80" * 11, "varint longer than 10 bytes"),
        (b"\x00\x00", "field number 0"),
        (b"\x0b", "unknown wire type 3"),
        (b"\x0d\x00", "claims 4 bytes"),
        (example(id=message(3, message(1, b"\xff"))), "varint runs past"),
        (message(1, message(1, message(1, b"\xff\xfe"))), "utf-8"),
    ],
)
def test_malformed_bytes_are_refused_with_what_is_wrong(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read(data)


def test_no_bytes_are_an_example_without_features() -> None:
    assert read_example(memoryview(b""), 0, 0) == {}


def test_negative_ints_packed_and_unpacked_keep_their_order() -> None:
    data = example(**{"class": message(3, packed(-1, 2), unpacked(-(2**63)), packed(2**63 - 1))})
    assert read(data)["class"] == ("int64", [], [-1, 2, -(2**63), 2**63 - 1]) == protobuf_reads(data)["class"]


def test_repeated_features_messages_merge_and_the_later_entry_wins() -> None:
    first = example(id=message(1, message(1, b"rose")), **{"class": message(3, packed(1))})
    data = first + example(**{"class": message(3, packed(7))})
    assert read(data) == {"id": ("bytes", [b"rose"], []), "class": ("int64", [], [7])} == protobuf_reads(data)


def test_a_feature_without_a_list_is_of_kind_nothing() -> None:
    data = example(id=b"")
    assert read_example(memoryview(data), 0, len(data)) == {"id": Feature("nothing", [], [])}
