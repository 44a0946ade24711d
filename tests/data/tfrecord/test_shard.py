"""Shards: every fault of the framing is found, named, and costs no memory."""

import os
import pickle
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import TFRecordWriter

from lightning_flowers.data.tfrecord.shard import HEADER_BYTES, Shard, ShardName, masked_crc
from lightning_flowers.errors import DataError, RecordError

PAYLOADS = [b"the first record", b"", b"the third and last"]
NAME = "00-32x32-3.tfrec"
STARTS = [0, 32, 48, 82]  # of each record, and the end

WriteRecords = Callable[[Path, Iterable[bytes]], Path]


@pytest.fixture
def path(tmp_path: Path, write_records: WriteRecords) -> Path:
    """A whole shard of three records."""
    return write_records(tmp_path / NAME, PAYLOADS)


def read_all(path: Path) -> list[bytes]:
    shard = Shard(path)
    return [bytes(shard.payload(record)) for record in range(len(shard))]


def at(path: Path, record: int, what: str) -> str:
    """The pattern of an error that names shard, record, byte and fault."""
    return rf"{path}: record {record} at byte {STARTS[record]}: .*{what}"


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def test_records_are_read_whole_and_in_order(path: Path) -> None:
    shard = Shard(path)
    assert len(shard) == 3
    assert [bytes(shard.payload(record)) for record in (2, 0, 1)] == [PAYLOADS[2], PAYLOADS[0], PAYLOADS[1]]
    assert shard.bytes == STARTS[-1] == path.stat().st_size


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_what_the_tfrecord_package_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, frame: Callable[[Iterable[bytes]], bytes], payloads: list[bytes]
) -> None:
    written = b"".join(
        struct.pack("<Q", len(p))
        + TFRecordWriter.masked_crc(struct.pack("<Q", len(p)))
        + p
        + TFRecordWriter.masked_crc(p)
        for p in payloads
    )
    assert frame(payloads) == written
    path = tmp_path_factory.mktemp("shard") / f"00-8x8-{len(payloads)}.tfrec"
    path.write_bytes(written)
    assert read_all(path) == payloads


def test_masked_crc_has_the_golden_values_of_crc32c() -> None:
    # RFC 3720, B.4: 32 bytes of zeros have the CRC 0x8a9136aa.
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
    assert masked_crc(memoryview(bytes(32))) == masked_crc(bytes(32))


@pytest.mark.parametrize("cut", range(82))
def test_a_shard_cut_at_any_byte_is_refused(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=str(path)) as caught:
        Shard(path)
    if cut not in STARTS:
        record = max(record for record in range(3) if STARTS[record] < cut)
        assert f"record {record} at byte {STARTS[record]}: " in str(caught.value)
        assert "cut" in str(caught.value)


@pytest.mark.parametrize("position", range(82))
def test_a_flipped_bit_at_any_byte_is_found(path: Path, position: int) -> None:
    path.write_bytes(flipped(path.read_bytes(), position))
    record = max(record for record in range(3) if STARTS[record] <= position)
    with pytest.raises(DataError, match=at(path, record, "does not match its CRC")):
        read_all(path)


def test_what_is_wrong_with_a_record_reaches_another_process() -> None:
    error = RecordError("00-32x32-2.tfrec", 1, 40, "damaged")
    there = pickle.loads(pickle.dumps(error))
    assert isinstance(there, DataError)
    assert str(there) == str(error)


def test_a_damaged_payload_leaves_the_other_records_readable(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes(), STARTS[0] + HEADER_BYTES + 3))
    shard = Shard(path)
    assert bytes(shard.payload(2)) == PAYLOADS[2]
    with pytest.raises(DataError, match=at(path, 0, "the payload does not match its CRC")):
        shard.payload(0)


@pytest.mark.parametrize("name", ["00-32x32-2.tfrec", "00-32x32-4.tfrec"])
def test_a_shard_renamed_to_another_count_is_refused(path: Path, name: str) -> None:
    renamed = path.rename(path.with_name(name))
    with pytest.raises(DataError, match=rf"{renamed}: holds 3 records, but its name says [24]"):
        Shard(renamed)


@pytest.mark.parametrize(
    "name",
    ["flowers.tfrec", "00-32x32-3.tfrecord", "00-32x64-3.tfrec", "00-32x32.tfrec", "x-32x32-3.tfrec", NAME + "\n"],
)
def test_a_shard_with_another_form_of_name_is_refused(path: Path, name: str) -> None:
    renamed = path.rename(path.with_name(name))
    with pytest.raises(DataError, match=r"not named NN-SxS-COUNT\.tfrec"):
        Shard(renamed)


@given(st.integers(0, 200), st.integers(1, 2000), st.integers(0, 10**6 - 1))
def test_names_are_read_as_they_are_written(number: int, size: int, records: int) -> None:
    name = ShardName(number, size, records)
    assert ShardName.parse(Path("somewhere") / str(name)) == name


def test_names_are_those_of_the_competition() -> None:
    assert str(ShardName(7, 512, 798)) == "07-512x512-798.tfrec"


def test_a_pipe_with_a_shard_s_name_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(DataError, match="cannot be read: not a file"):
        Shard(tmp_path / NAME)


@pytest.mark.parametrize("replaced", [True, False])
def test_a_shard_replaced_or_deleted_while_open_is_read_on(path: Path, replaced: bool) -> None:
    shard = Shard(path)
    path.with_name("new").write_bytes(b"")
    path.with_name("new").replace(path) if replaced else path.unlink()
    assert shard.payload(1) == PAYLOADS[1]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to count open files")
def test_shards_no_longer_used_leave_no_file_open(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        read_all(path)
    path.write_bytes(path.read_bytes()[:-1])
    for _ in range(5):
        with pytest.raises(DataError):
            Shard(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec", b"\n<!DOCTYPE html><html>Sign in"])
def test_of_another_file_is_shown_how_it_begins(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "00-32x32-1.tfrec"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Shard(path)
    assert f"(the file begins with {content[:24]!r}: a TFRecord, unpacked?)" in str(caught.value)
