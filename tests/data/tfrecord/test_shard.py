"""Shards: every fault of the framing is found, named, and costs no memory."""

import os
import pickle
import struct
import tracemalloc
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


def with_length(data: bytes, record: int, length: int, mend_crc: bool) -> bytes:
    start = STARTS[record]
    claimed = struct.pack("<Q", length)
    crc = struct.pack("<I", masked_crc(claimed)) if mend_crc else data[start + 8 : start + 12]
    return data[:start] + claimed + crc + data[start + HEADER_BYTES :]


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


@pytest.mark.parametrize(
    ("cut", "record", "what"),
    [
        (4, 0, "cut inside the length"),
        (10, 0, "cut inside the length"),
        (20, 0, "claims 16 bytes but the file is cut after 8"),
        (30, 0, "claims 16 bytes but the file is cut after 18"),
        (81, 2, "claims 18 bytes but the file is cut after 21"),
    ],
    ids=["length", "length CRC", "payload", "payload CRC", "last byte"],
)
def test_a_cut_is_named_with_record_and_byte(path: Path, cut: int, record: int, what: str) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=at(path, record, what)):
        Shard(path)


@pytest.mark.parametrize(("cut", "left"), [(0, 0), (32, 1), (48, 2)])
def test_a_shard_cut_between_records_is_told_by_the_count_in_its_name(path: Path, cut: int, left: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=f"{path}: holds {left} records, but its name says 3"):
        Shard(path)


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


@pytest.mark.parametrize("mend_crc", [False, True])
@pytest.mark.parametrize("record", [0, 2])
@pytest.mark.parametrize("length", ["+7", "-7", 0, 2**33, 2**62, 2**63, 2**64 - 1])
def test_a_wrong_length_is_refused_without_allocating_it(
    path: Path, record: int, length: int | str, mend_crc: bool
) -> None:
    claimed = len(PAYLOADS[record]) + int(length) if isinstance(length, str) else length
    path.write_bytes(with_length(path.read_bytes(), record, claimed, mend_crc))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"{path}: record \d at byte \d+: ") as caught:
            read_all(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    if not mend_crc:
        assert f"record {record} at byte {STARTS[record]}: the length does not match its CRC" in str(caught.value)
    elif claimed > 1000:
        assert f"record {record} at byte {STARTS[record]}: the record claims {claimed} bytes" in str(caught.value)


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


def test_a_missing_shard_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"00-32x32-3\.tfrec: cannot be read: No such file"):
        Shard(tmp_path / NAME)


def test_a_folder_with_a_shard_s_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(DataError, match=r"00-32x32-3\.tfrec: cannot be read: not a file"):
        Shard(tmp_path / NAME)


def test_a_pipe_with_a_shard_s_name_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(DataError, match="cannot be read: not a file"):
        Shard(tmp_path / NAME)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_shard_is_refused_with_the_reason(path: Path) -> None:
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        Shard(path)


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
