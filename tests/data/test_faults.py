"""Faults of shards: each is named with shard, record and byte, before training where an index can see it; or skipped.

A row of `FAULTS` is done to the middle one of three shards, and both ways of reading are tried.
"""

import errno
import os
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tfrecord import example_pb2

from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.tfrecord.index import Rules, ShardRecords
from lightning_flowers.data.tfrecord.shard import HEADER_BYTES, Shard, masked_crc
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError
from tests.shards import write_split

RECORDS = [Record(f"picture {n:02d} ".encode() * 9, n % 4, f"rose{n:02d}") for n in range(15)]
PAYLOADS = [serialize(record) for record in RECORDS[5:10]]
WHOLE = b"".join(map(frame, PAYLOADS))
START = [sum(len(frame(payload)) for payload in PAYLOADS[:n]) for n in range(6)]  # of each record, and the end
LENGTH = len(PAYLOADS[2])
SHARD = "01-32x32-5.tfrec"
RULES, SKIP = Rules(4, labelled=True), Rules(4, labelled=True, skip=True)


class Fault(NamedTuple):
    """A damaged shard, what must be said of it and where, and which records are lost; late: seen when it is read."""

    name: str
    data: bytes
    what: str
    record: int | None
    lost: set[int]
    byte: int = START[2]
    late: bool = False


def flipped(at: int) -> bytes:
    return WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :]


def claiming(length: int, mend_crc: bool) -> bytes:
    """Another length of record 2."""
    claimed = struct.pack("<Q", length)
    crc = struct.pack("<I", masked_crc(claimed)) if mend_crc else WHOLE[START[2] + 8 : START[2] + 12]
    return WHOLE[: START[2]] + claimed + crc + WHOLE[START[2] + HEADER_BYTES :]


def holding(**features: Any) -> bytes:
    """Other features of record 2; None takes one away."""
    example: Any = example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
    for name, values in {"image": [b"picture"], "class": [1], "id": [b"rose"], **features}.items():
        if values is not None:
            lists = example.features.feature[name]
            kinds = {int: lists.int64_list, float: lists.float_list}
            values_list = kinds.get(type(values[0]) if values else bytes, lists.bytes_list)
            values_list.SetInParent()
            values_list.value.extend(values)
    return instead(example.SerializeToString())


def instead(payload: bytes) -> bytes:
    return WHOLE[: START[2]] + frame(payload) + WHOLE[START[3] :]


ALL, REST, ONE = {0, 1, 2, 3, 4}, {2, 3, 4}, {2}
CRC = "the length does not match its CRC"
HUGE = [2**33, 2**62, 2**63, 2**64 - 1]
FAULTS = [
    Fault("cut in length", WHOLE[: START[2] + 4], "the file is cut inside the length", 2, REST),
    Fault("cut in length CRC", WHOLE[: START[2] + 10], "the file is cut inside the length", 2, REST),
    Fault("cut in payload", WHOLE[: START[2] + 17], f"claims {LENGTH} bytes but the file is cut after 5", 2, REST),
    Fault("cut in payload CRC", WHOLE[: START[3] - 2], f"claims {LENGTH} bytes but the file is cut", 2, REST),
    Fault("cut between records", WHOLE[: START[3]], "holds 3 records, but its name says 5", None, {3, 4}, START[3]),
    Fault("empty file", b"", "holds 0 records, but its name says 5", None, ALL, 0),
    Fault("wrong length CRC", flipped(START[2] + 9), CRC, 2, REST),
    Fault("wrong payload CRC", flipped(START[3] - 1), "the payload does not match its CRC", 2, ONE, late=True),
    Fault("flipped image byte", flipped(WHOLE.index(RECORDS[7].image)), "not match its CRC", 2, ONE, late=True),
    Fault("flipped id byte", flipped(WHOLE.index(b"rose07")), "the payload does not match its CRC", 2, ONE, late=True),
    Fault("flipped name of a feature", flipped(WHOLE.index(b"image", START[2])), "not match its CRC", 2, ONE),
    Fault("zeros in place of a payload", WHOLE[: START[2] + 12] + bytes(LENGTH) + WHOLE[START[3] - 4 :], "CRC", 2, ONE),
    Fault("length +7", claiming(LENGTH + 7, False), CRC, 2, REST),
    Fault("length -7", claiming(LENGTH - 7, False), CRC, 2, REST),
    Fault("length 0", claiming(0, False), CRC, 2, REST),
    *(Fault(f"length {claim}", claiming(claim, False), CRC, 2, REST) for claim in HUGE),
    Fault("length +7 with its CRC", claiming(LENGTH + 7, True), CRC, 3, REST, START[3] + 7),
    Fault("length -7 with its CRC", claiming(LENGTH - 7, True), CRC, 3, REST, START[3] - 7),
    Fault("length 0 with its CRC", claiming(0, True), CRC, 3, REST, START[2] + 16),
    *(Fault(f"length {n} with its CRC", claiming(n, True), f"claims {n} bytes but", 2, REST) for n in HUGE),
    *(Fault(f"no {name}", holding(**{name: None}), f"no feature '{name}'", 2, ONE) for name in ("image", "class")),
    Fault("image of ints", holding(image=[1]), "'image' is of kind int64, not bytes", 2, ONE),
    Fault("label of bytes", holding(**{"class": [b"1"]}), "'class' is of kind bytes, not int64", 2, ONE),
    Fault("label of floats", holding(**{"class": [1.0]}), "'class' is of kind float, not int64", 2, ONE),
    Fault("empty image", holding(image=[]), "'image' holds 0 values, not one", 2, ONE),
    Fault("two images", holding(image=[b"a", b"b"]), "'image' holds 2 values, not one", 2, ONE),
    Fault("two labels", holding(**{"class": [1, 2]}), "'class' holds 2 values, not one", 2, ONE),
    *(Fault(f"label {n}", holding(**{"class": [n]}), f"label {n} is outside the 4 classes", 2, ONE) for n in (4, -1)),
    Fault("id of ints", holding(id=[5]), "'id' is of kind int64, not bytes", 2, ONE),
    Fault("id that is no text", holding(id=[b"\xff"]), "utf-8", 2, ONE),
    Fault("empty id", holding(id=[b""]), "the feature 'id' is empty", 2, ONE),
    Fault("no Example", instead(b"\x0a\xff\x01 none"), "claims", 2, ONE),
    Fault("empty payload", instead(b""), "no feature 'image'", 2, ONE),
]
faults = pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three whole shards of five records."""
    write_split(tmp_path, 32, RECORDS, shards=3)
    return tmp_path


def peak_of(do: Callable[[], Any]) -> int:
    """The most bytes that were allocated at a time."""
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(do: Callable[[], Any], path: Path, record: int | None, byte: int, what: str) -> None:
    """That `do` fails with one line that names shard, record and byte, says what is wrong, and how to mend it."""
    with pytest.raises(DataError) as caught:
        do()
    line = str(caught.value)
    place = f"record {record} at byte {byte}: " if record is not None else ""
    assert line.startswith(f"{path}: {place}")
    assert what in line
    assert f"byte {byte}" in line
    assert "\n" not in line
    assert any(mend in line for mend in ("fetch ", "start again", "write the shard with"))


@faults
def test_a_fault_is_named_with_shard_record_and_byte(folder: Path, fault: Fault) -> None:
    path = folder / SHARD
    path.write_bytes(fault.data)
    if not fault.late:
        refused(lambda: open_split(folder, 32, 4, labelled=True), path, fault.record, fault.byte, fault.what)
        return
    split = open_split(folder, 32, 4, labelled=True)
    for position in set(range(15)) - {7}:
        assert split.image_bytes(position) == RECORDS[position].image
    refused(lambda: split.image_bytes(7), path, fault.record, fault.byte, fault.what)


@faults
def test_where_faults_are_skipped_all_other_records_are_read(folder: Path, fault: Fault) -> None:
    path = folder / SHARD
    path.write_bytes(fault.data)
    records = ShardRecords(path, SKIP)
    assert records.bad.keys() == fault.lost
    assert len(records) == 5
    for record in range(5):
        if record in fault.lost:
            assert (records.labels[record], records.ids[record]) == (-1, f"01-32x32-5:{record}")
            with pytest.raises(DataError, match=rf"{SHARD}: record {record} at byte \d+: "):
                records.image_bytes(record)
        else:
            found = Record(bytes(records.image_bytes(record)), int(records.labels[record]), records.ids[record])
            assert found == RECORDS[5 + record]
    if fault.record is not None:
        assert fault.what in records.bad[fault.record] or "payload does not match" in records.bad[fault.record]


@faults
@pytest.mark.parametrize("rules", [RULES, SKIP], ids=["failing", "skipping"])
def test_no_fault_costs_memory(folder: Path, fault: Fault, rules: Rules) -> None:
    (folder / SHARD).write_bytes(fault.data)

    def read() -> None:
        with suppress(DataError):
            ShardRecords(folder / SHARD, rules).image_bytes(2)

    assert peak_of(read) < 1 << 18


@pytest.mark.parametrize("rules", [RULES, SKIP], ids=["failing", "skipping"])
def test_a_length_that_fits_into_a_big_file_costs_no_memory_either(folder: Path, rules: Rules) -> None:
    path = folder / SHARD
    path.write_bytes(claiming(1 << 26, mend_crc=False))
    os.truncate(path, 1 << 27)

    def read() -> None:
        try:
            assert ShardRecords(path, rules).bad.keys() == REST
        except DataError as error:
            assert "does not match its CRC" in str(error)  # noqa: PT017

    assert peak_of(read) < 1 << 22


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2, 2, 3, 4), (0, 1, 2, 3, 4, 0)])
def test_more_records_than_the_name_says_are_refused(folder: Path, order: Sequence[int], skip: bool) -> None:
    (folder / SHARD).write_bytes(b"".join(frame(PAYLOADS[record]) for record in order))
    with pytest.raises(DataError, match=rf"{SHARD}: holds 6 records, but its name says 5 \(up to byte \d+\)"):
        ShardRecords(folder / SHARD, Rules(4, labelled=True, skip=skip))


def test_up_to_one_percent_of_a_split_may_be_skipped(tmp_path: Path) -> None:
    records = [Record(b"picture", 0, f"rose{n}") for n in range(200)]
    first, *_ = write_split(tmp_path, 32, records, shards=2)
    payloads = [serialize(record) for record in records[:100]]
    first.write_bytes(b"".join(frame(b"" if n in (3, 50) else payload) for n, payload in enumerate(payloads)))
    assert open_split(tmp_path, 32, 4, labelled=True, skip=True).bad.keys() == {3, 50}
    first.write_bytes(b"".join(frame(b"" if n in (3, 50, 99) else payload) for n, payload in enumerate(payloads)))
    with pytest.raises(DataError, match=r"3 of 200 records cannot be used, more than 1%.*first: .*record 3 at byte"):
        open_split(tmp_path, 32, 4, labelled=True, skip=True)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def a_locked_file(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.write_bytes(WHOLE)
    path.chmod(0)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (a_folder, "not a file"),
        (a_dangling_link, "No such file"),
        (a_link_to_itself, "Too many levels of symbolic links"),
        (a_locked_file, "Permission denied"),
    ],
)
def test_what_is_no_readable_file_is_refused(folder: Path, make: Callable[[Path], None], what: str, skip: bool) -> None:
    (folder / SHARD).unlink()
    make(folder / SHARD)
    with pytest.raises(DataError, match=f"{SHARD}: cannot be read: {what}"):
        ShardRecords(folder / SHARD, Rules(4, labelled=True, skip=skip))


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`failing_disk(byte)`: no read that touches this byte of any file succeeds any more."""
    pread = os.pread

    def break_at(byte: int) -> None:
        def read(file: int, length: int, offset: int) -> bytes:
            if offset <= byte < offset + length:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return pread(file, length, offset)

        monkeypatch.setattr(os, "pread", read)

    return break_at


def test_a_disk_that_fails_at_the_first_byte_is_named(folder: Path, failing_disk: Callable[[int], None]) -> None:
    failing_disk(0)
    with pytest.raises(DataError, match=f"{SHARD}: record 0 at byte 0: cannot be read .Input/output error"):
        Shard(folder / SHARD)


def test_a_disk_that_fails_under_the_index_is_named(tmp_path: Path, failing_disk: Callable[[int], None]) -> None:
    big = [Record(bytes(5000), 0, "big")] * 3
    (path,) = write_split(tmp_path, 32, big, shards=1)
    start = path.stat().st_size // 3
    failing_disk(start + 5)
    refused(lambda: ShardRecords(path, RULES), path, 0, 0, "cannot be read (Input/output error)")
    assert ShardRecords(path, SKIP).bad.keys() == {0, 1, 2}


@pytest.mark.parametrize("skip", [False, True])
def test_a_disk_that_fails_under_a_picture_costs_that_one(
    tmp_path: Path, failing_disk: Callable[[int], None], skip: bool
) -> None:
    (path,) = write_split(tmp_path, 32, [Record(bytes(5000), 0, "big")] * 3, shards=1)
    start = path.stat().st_size // 3
    failing_disk(start + 2500)
    records = ShardRecords(path, Rules(4, labelled=True, skip=skip))
    assert records.bad.keys() == ({1} if skip else set())
    assert records.image_bytes(2) == bytes(5000)
    with pytest.raises(DataError, match=rf"record 1 at byte {start}: cannot be read: Input/output error"):
        records.image_bytes(1)


def test_a_file_cut_while_its_index_is_made_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A mapping in place of reads would kill the process here.
    path, pread = folder / SHARD, os.pread

    def cut_before_reading(file: int, length: int, offset: int) -> bytes:
        if offset:
            os.truncate(path, START[2] + 20)
        return pread(file, length, offset)

    monkeypatch.setattr(os, "pread", cut_before_reading)
    with pytest.raises(
        DataError, match=rf"{SHARD}: record \d at byte \d+: .*(it was cut meanwhile|does not match its CRC)"
    ):
        ShardRecords(path, RULES)


def in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(WHOLE.replace(b"picture", b"PICTURE"))


def in_place_by_a_whole_shard(path: Path) -> None:
    other = [serialize(record._replace(image=record.image.upper())) for record in RECORDS[5:10]]
    with path.open("r+b") as file:
        file.write(b"".join(map(frame, other)))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (in_place, "the payload does not match its CRC"),
        (in_place_by_a_whole_shard, "the payload does not match its CRC"),
    ],
)
@pytest.mark.parametrize("rules", [RULES, SKIP], ids=["failing", "skipping"])
def test_a_shard_changed_while_it_is_in_use_is_refused(
    folder: Path, change: Callable[[Path], None], what: str, rules: Rules
) -> None:
    records = ShardRecords(folder / SHARD, rules)
    assert records.image_bytes(2) == RECORDS[7].image
    change(folder / SHARD)
    for record in range(5):
        refused(lambda record=record: records.image_bytes(record), folder / SHARD, record, START[record], what)
