"""Gzip files: known by their magic, unpacked as far as they are whole, and no file of theirs stays behind."""

import errno
import gzip
import os
import random
import resource
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_flowers.data.tfrecord.index import Rules, ShardRecords
from lightning_flowers.data.tfrecord.shard import HEADER_BYTES, Shard
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError

# Incompressible pictures of different lengths, so that packed bytes lie near the bytes they hold.
RECORDS = [Record(random.Random(n).randbytes(3000 + n), n % 4, f"rose{n}") for n in range(5)]
FRAMES = [frame(serialize(record)) for record in RECORDS]
WHOLE = b"".join(FRAMES)
PACKED = gzip.compress(WHOLE, mtime=0)
NAMES = pytest.mark.parametrize("name", ["00-32x32-5.tfrec", "00-32x32-5.tfrec.gz"])
NAME = "00-32x32-5.tfrec.gz"
SKIP = Rules(4, labelled=True, skip=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def check_all(path: Path) -> None:
    """That all records are read as they were written."""
    records = ShardRecords(path, Rules(4, labelled=True))
    found = [Record(bytes(records.image_bytes(n)), int(records.labels[n]), records.ids[n]) for n in range(5)]
    assert found == RECORDS


@NAMES
@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_gzip_file_is_read_whatever_its_name(tmp_path: Path, name: str, level: int) -> None:
    check_all(written(tmp_path / name, gzip.compress(WHOLE, level)))


@NAMES
def test_a_plain_shard_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    check_all(written(tmp_path / name, WHOLE))


@pytest.mark.parametrize("between", [b"", bytes(7), bytes(1 << 15)], ids=["", "zeros", "many zeros"])
def test_members_one_after_the_other_are_one_file(path: Path, between: bytes) -> None:
    pieces = [WHOLE[:5], WHOLE[5:5], WHOLE[5:9000], WHOLE[9000:]]
    check_all(written(path, b"".join(gzip.compress(piece) + between for piece in pieces)))


def test_offsets_are_those_in_the_unpacked_file(path: Path) -> None:
    data = bytearray(WHOLE)
    data[len(FRAMES[0]) + 3] ^= 1
    with pytest.raises(DataError, match=rf"{NAME}: record 1 at byte {len(FRAMES[0])}: the length does not match"):
        Shard(written(path, gzip.compress(bytes(data))))


@pytest.mark.parametrize("cut", [3, 9, 17, 4000, len(PACKED) // 2, len(PACKED) - 8, len(PACKED) - 1])
def test_a_cut_gzip_file_is_refused_and_says_where(path: Path, cut: int) -> None:
    with pytest.raises(DataError, match=rf"{NAME}: .*\(gzip, cut at packed byte {cut}\)") as caught:
        Shard(written(path, PACKED[:cut]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wanted", [0, 2, 5])
def test_what_lies_before_a_cut_can_be_read_to_the_last_record(path: Path, wanted: int) -> None:
    stored = gzip.compress(WHOLE, 0, mtime=0)  # one stored block: 10 bytes of gzip's header, 5 of the block's
    written(path, stored[: 15 + sum(map(len, FRAMES[:wanted]))])
    records = ShardRecords(path, SKIP)
    assert records.bad.keys() == set(range(wanted, 5))
    assert [records.image_bytes(record) for record in range(wanted)] == [record.image for record in RECORDS[:wanted]]
    assert all("gzip, cut at packed byte" in what for what in records.bad.values())


@pytest.mark.parametrize("at", [*range(10, 30), *range(30, len(PACKED), 499), len(PACKED) - 8, len(PACKED) - 1])
def test_a_flipped_byte_is_found(path: Path, at: int) -> None:
    data = bytearray(PACKED)
    data[at] ^= 0x10
    with pytest.raises(DataError, match=NAME):
        check_all(written(path, bytes(data)))
    records = ShardRecords(path, SKIP)
    for record in set(range(5)) - records.bad.keys():
        assert records.image_bytes(record) == RECORDS[record].image


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (slice(-8, -4), r"incorrect data check"),
        (slice(-4, None), r"incorrect length check"),
    ],
    ids=["CRC", "length"],
)
def test_a_wrong_checksum_is_refused_though_every_record_is_whole(path: Path, damage: slice, what: str) -> None:
    data = bytearray(PACKED)
    data[damage] = b"\1\2\3\4"
    with pytest.raises(DataError, match=rf"{NAME}: .*\(gzip, near packed byte \d+: .*{what}"):
        Shard(written(path, bytes(data)))
    assert ShardRecords(path, SKIP).bad.keys() <= {4}  # the others' own CRCs vouch for them


def test_what_follows_a_gzip_file_and_is_none_is_refused(path: Path) -> None:
    with pytest.raises(DataError, match=r"gzip, near packed byte \d+: .*incorrect header check"):
        Shard(written(path, PACKED + b"more"))


def test_damage_far_into_a_big_file_loses_nothing_before_it(path: Path) -> None:
    records = [Record(os.urandom(50_000), 0, f"rose{n}") for n in range(40)]
    frames = [frame(serialize(record)) for record in records]
    packed = bytearray(gzip.compress(b"".join(frames), 1))
    at = len(packed) * 3 // 4
    packed[at : at + 8] = bytes(8)
    big = written(path.with_name("00-32x32-40.tfrec.gz"), bytes(packed))
    bad = ShardRecords(big, SKIP).bad.keys()
    assert 30 in bad
    assert bad.isdisjoint(range(29))


def test_an_empty_gzip_file_holds_no_record(path: Path) -> None:
    written(path, gzip.compress(b""))
    with pytest.raises(DataError, match=rf"{NAME}: holds 0 records, but its name says 5 \(up to byte 0\)"):
        Shard(path)
    assert ShardRecords(path, SKIP).bad.keys() == set(range(5))


def test_a_plain_shard_whose_first_length_looks_like_gzip_is_plain(tmp_path: Path) -> None:
    payload = serialize(Record(bytes(0x088B1F - 62), 0, "rose"))
    payload = serialize(Record(bytes(0x088B1F - 62 + 0x088B1F - len(payload)), 0, "rose"))
    data = frame(payload)
    assert data.startswith(b"\x1f\x8b\x08\0")
    path = written(tmp_path / "00-32x32-1.tfrec", data)
    assert ShardRecords(path, Rules(4, labelled=True)).ids == ["rose"]
    path.write_bytes(data[:8] + b"\0" + data[9:])
    with pytest.raises(DataError, match=str(path)):  # which of the two it was meant to be, nobody knows
        Shard(path)


def test_no_temporary_file_has_a_name_or_stays(path: Path, scratch: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir())) if descriptors.is_dir() else 0
    shard = Shard(written(path, PACKED))
    assert list(scratch.iterdir()) == []
    assert shard.payload(4) == FRAMES[4][HEADER_BYTES:-4]
    del shard
    with pytest.raises(DataError):
        Shard(written(path, PACKED[:-9]))
    if descriptors.is_dir():
        assert len(list(descriptors.iterdir())) == before


def test_a_shard_deleted_after_it_was_unpacked_is_read_on(path: Path) -> None:
    shard = Shard(written(path, PACKED))
    path.unlink()
    assert shard.payload(4) == FRAMES[4][HEADER_BYTES:-4]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 10,000 bytes: writing more fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("skip", [False, True])
def test_a_full_disk_is_named_with_the_mend(
    path: Path, scratch: Path, request: pytest.FixtureRequest, skip: bool
) -> None:
    written(path, PACKED)
    request.getfixturevalue("small_disk")
    with pytest.raises(DataError, match=rf"{NAME}: cannot be unpacked in {scratch}: File too large: .*\(gunzip\)"):
        Shard(path, skip)


def test_a_missing_folder_for_temporary_files_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(path.parent / "nowhere"))
    with pytest.raises(DataError, match=rf"{NAME}: cannot be unpacked in .*nowhere: No such file"):
        Shard(written(path, PACKED))


def test_a_disk_that_fails_under_a_gzip_file_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(path, PACKED)
    fdopen = os.fdopen

    def failing(file: int, mode: str) -> object:
        opened = fdopen(file, mode)
        read = opened.read

        class Failing:
            tell, close = opened.tell, opened.close

            def read(self, length: int) -> bytes:
                if opened.tell() >= 5000:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return read(length)

            def __enter__(self) -> "Failing":
                return self

            def __exit__(self, *error: object) -> None:
                opened.close()

        return Failing()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", failing)
        records = ShardRecords(path, SKIP)
        with pytest.raises(
            DataError, match=r"record 1 at byte \d+: .*gzip, after packed byte 5120: Input/output error"
        ):
            Shard(path)
    assert records.bad.keys() == {1, 2, 3, 4}


def test_unpacking_keeps_no_more_than_a_piece_in_memory(path: Path) -> None:
    records = [Record(bytes(8_000_000), 0, f"rose{n}") for n in range(5)]
    written(path, gzip.compress(b"".join(frame(serialize(record)) for record in records), 1))
    tracemalloc.start()
    try:
        Shard(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20
