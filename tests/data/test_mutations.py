"""Mutated shards and Examples: nothing but DataError comes of them, and what is read is true.

tests/fuzz/oracle.py says what must hold; `make fuzz` looks longer, led by coverage.
"""

import importlib.util
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lightning_flowers.data.tfrecord.shard import masked_crc
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize

bounded = partial(settings, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])

RECORDS = [Record(f"picture {n} ".encode() * (n + 1), n, f"rose{n}") for n in range(4)]
PAYLOADS = [serialize(record) for record in RECORDS]
FRAMES = [frame(payload) for payload in PAYLOADS]
WHOLE = b"".join(FRAMES)
TRUE = {(record.image, record.label, record.id) for record in RECORDS}

Mutation = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def oracle() -> Any:
    """The module that the fuzz target uses too."""
    spec = importlib.util.spec_from_file_location("oracle", Path(__file__).parents[1] / "fuzz" / "oracle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def check(oracle: Any, tmp_path: Path) -> Callable[[bytes], dict[int, Any]]:
    """Check these bytes as a shard of four records; gives what can be read of it."""

    def check_(data: bytes) -> dict[int, Any]:
        path = tmp_path / "00-32x32-4.tfrec"
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        return oracle.check_shard(path)

    return check_


def flip(at: int, bits: int, data: bytes) -> bytes:
    at %= max(len(data), 1)
    return data[:at] + bytes(byte ^ bits for byte in data[at : at + 1]) + data[at + 1 :]


def put(at: int, length: int, new: bytes, data: bytes) -> bytes:
    """Replace a slice: an insertion where it is empty, a deletion where nothing is new."""
    at %= len(data) + 1
    return data[:at] + new + data[at + length :]


def cut(at: int, data: bytes) -> bytes:
    return data[: at % (len(data) + 1)]


def copy(start: int, length: int, to: int, data: bytes) -> bytes:
    return put(to, 0, data[start % (len(data) + 1) :][:length], data)


def claim(at: int, length: int, data: bytes) -> bytes:
    """Another length, with a right CRC, where a record's header stands or anywhere else."""
    claimed = struct.pack("<Q", length)
    return put(at, 12, claimed + struct.pack("<I", masked_crc(claimed)), data)


STARTS = [sum(map(len, FRAMES[:n])) for n in range(5)]
AT = st.one_of(st.sampled_from(STARTS), st.integers(0, len(WHOLE)))
LENGTHS = st.one_of(st.integers(0, 300), st.sampled_from([2**31, 2**33, 2**62, 2**63, 2**64 - 1]))
CHANGES: st.SearchStrategy[Mutation] = st.one_of(
    st.builds(partial, st.just(flip), AT, st.integers(1, 255)),
    st.builds(partial, st.just(put), AT, st.integers(0, 60), st.binary(max_size=20)),
    st.builds(partial, st.just(cut), AT),
    st.builds(partial, st.just(copy), AT, st.integers(1, 200), AT),
    st.builds(partial, st.just(claim), AT, LENGTHS),
)


def mutate(data: bytes, changes: list[Mutation]) -> bytes:
    for change in changes:
        data = change(data)
    return data


@bounded(max_examples=150)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4))
def test_of_a_mutated_shard_only_true_records_are_read(check: Any, changes: list[Mutation]) -> None:
    assert set(check(mutate(WHOLE, changes)).values()) <= TRUE


@bounded(max_examples=50)
@given(order=st.lists(st.integers(0, 3), max_size=6))
def test_records_dropped_doubled_and_swapped_are_counted(check: Any, order: list[int]) -> None:
    found = check(b"".join(FRAMES[record] for record in order))
    wanted = {} if len(order) > 4 else {at: RECORDS[record] for at, record in enumerate(order)}
    assert found == {at: (record.image, record.label, record.id) for at, record in wanted.items()}


@bounded(max_examples=150)
@given(at=st.integers(0, 3), changes=st.lists(CHANGES, min_size=1, max_size=4))
def test_a_mutated_example_in_right_framing_is_read_as_protobuf_reads_it(
    check: Any, at: int, changes: list[Mutation]
) -> None:
    mutated = [*FRAMES[:at], frame(mutate(PAYLOADS[at], changes)), *FRAMES[at + 1 :]]
    found = check(b"".join(mutated))
    assert set(range(4)) - {at} <= found.keys(), "the other records must be read all the same"


@bounded(max_examples=50)
@given(data=st.binary(max_size=200))
def test_any_bytes_as_a_shard_are_refused(check: Any, data: bytes) -> None:
    assert check(data) == {}


# Tags, lengths and ends of varints, of which random bytes hold too few.
WIRE = st.lists(st.sampled_from([*range(0x20), 0x22, 0x7F, 0x80, 0x81, 0xFF]), max_size=40).map(bytes)


@st.composite
def nested(draw: st.DrawFn, depth: int = 5) -> bytes:
    """Messages in messages, with fields that do not belong there."""
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        number, wire = draw(st.integers(1, 4)), draw(st.sampled_from([2, 2, 2, 2, 0, 1, 5]))
        content = draw(nested(depth - 1) if depth and wire == 2 else st.binary(max_size=6))[:127]
        fixed = {0: b"\x83\x01", 1: bytes(8), 5: bytes(4), 2: bytes([len(content)]) + content}[wire]
        parts.append(bytes([number << 3 | wire]) + fixed)
    return b"".join(parts)


@bounded(max_examples=300)
@given(data=st.one_of(nested(), WIRE, st.binary(max_size=60)))
@example(data=b"\xa2\x80\x80\x80\x80\x00\x00")  # a tag of six bytes
@example(data=b"\x0a\x04\x0a\x02\x22\x00")  # a field of an entry that is neither name nor value
@example(data=b"\x0a\x08\x0a\x06\x12\x00\x12\x02\x0a\x00")  # two values in an entry
@example(data=b"\x0a\x07\x0a\x05\x12\x03\x12\x01\xff")  # a list of floats that is none
def test_what_our_reader_accepts_protobuf_reads_the_same(oracle: Any, data: bytes) -> None:
    oracle.check_example(data)
