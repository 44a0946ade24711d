"""The index of a shard: what is known of its records before one is read, and what its key stands for."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from lightning_flowers.data.tfrecord import file_bytes
from lightning_flowers.data.tfrecord.file_bytes import Descriptor, FileBytes
from lightning_flowers.data.tfrecord.index import LazyShard, Rules, ShardRecords
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError
from tests.shards import write_split

WriteRecords = Callable[[Path, Iterable[bytes]], Path]
NAME = "00-32x32-3.tfrec"
RECORDS = [Record(f"picture {n}".encode() * 5, n, f"rose{n}") for n in range(3)]
PAYLOADS = [serialize(record) for record in RECORDS]
RULES = Rules(4, labelled=True)


@pytest.fixture
def path(tmp_path: Path, write_records: WriteRecords) -> Path:
    """A whole shard of three records."""
    return write_records(tmp_path / NAME, PAYLOADS)


def flip(path: Path, of: bytes) -> None:
    """Change the last byte of these bytes, and no CRC."""
    data = path.read_bytes()
    assert data.count(of) == 1
    path.write_bytes(data.replace(of, of[:-1] + bytes([of[-1] ^ 1])))


def test_labels_ids_and_places_are_known_without_reading_a_picture(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = [Record(bytes(1 << 20), n, f"rose{n}") for n in range(3)]
    (path,) = write_split(path.parent / "big", 32, big, shards=1)
    read = 0
    read_at = file_bytes.read_at

    def counted(number: int, length: int, position: int) -> bytes:
        nonlocal read
        piece = read_at(number, length, position)
        read += len(piece)
        return piece

    monkeypatch.setattr(file_bytes, "read_at", counted)
    records = ShardRecords(path, RULES)
    assert (records.labels.tolist(), records.ids) == ([0, 1, 2], ["rose0", "rose1", "rose2"])
    assert read < 1 << 13
    assert records.image_bytes(1) == bytes(1 << 20)


def test_the_key_is_that_of_the_contents_and_not_of_the_name(path: Path) -> None:
    key = ShardRecords(path, RULES).key
    other = path.with_name("01-64x64-3.tfrec")
    other.write_bytes(path.read_bytes())
    assert ShardRecords(other, RULES).key == key
    assert len(key) == 32


@pytest.mark.parametrize("rules", [Rules(5, True), Rules(4, True, skip=True)])
def test_the_key_does_not_depend_on_the_rules(path: Path, rules: Rules) -> None:
    assert ShardRecords(path, rules).key == ShardRecords(path, RULES).key


@pytest.mark.parametrize("record", [RECORDS[1]._replace(image=b"another"), RECORDS[1]._replace(label=3)])
def test_other_records_have_another_key(path: Path, write_records: WriteRecords, record: Record) -> None:
    key = ShardRecords(path, RULES).key
    write_records(path, [PAYLOADS[0], serialize(record), PAYLOADS[2]])
    assert ShardRecords(path, RULES).key != key


@pytest.mark.parametrize("of", [b"rose1", b"\n\x05class\x12\x05\x1a\x03\n\x01\x01"], ids=["id", "label"])
def test_a_flipped_label_or_id_has_another_key(path: Path, of: bytes) -> None:
    # The CRCs that are stored stay the same: pictures that were kept must not be given such a label.
    key = ShardRecords(path, RULES).key
    flip(path, of)
    records = ShardRecords(path, RULES)
    assert records.key != key
    with pytest.raises(DataError, match=r"record 1 at byte .* the payload does not match its CRC"):
        records.image_bytes(1)


def test_a_damaged_record_is_called_by_its_place_and_has_no_label(path: Path) -> None:
    flip(path, RECORDS[1].image)
    records = ShardRecords(path, Rules(4, labelled=True, skip=True))
    assert records.ids == ["rose0", "00-32x32-3:1", "rose2"]
    assert records.labels.tolist() == [0, -1, 2]
    assert records.bad == {1: "the payload does not match its CRC: fetch the shard again"}


def test_a_shard_is_opened_when_it_is_needed(path: Path) -> None:
    shard = LazyShard(str(path), RULES, path.stat().st_size)
    assert len(shard) == 3
    assert shard.records() is shard.records()
    assert shard.records().ids == ["rose0", "rose1", "rose2"]
    assert shard.records().image_bytes(2) == RECORDS[2].image


@pytest.mark.parametrize(
    "slices", [slice(0, 5), slice(5, 700), slice(690, 800), slice(3, 3), slice(900, 2), slice(2000, 9)]
)
def test_a_window_shows_what_the_file_holds(tmp_path: Path, slices: slice) -> None:
    content = bytes(range(256)) * 4
    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "file").open("rb") as file:
        window: Any = FileBytes(Descriptor(os.dup(file.fileno())), len(content))
        assert len(window) == len(content)
        assert window[700] == content[700]
        assert window[slices] == content[slices]
        assert [window[at] for at in range(0, 1024, 37)] == list(content[::37])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda data: data.replace(b"image", b"photo"),
            "has no feature 'image', only 'class' (int64), 'id' (bytes), 'ph",
        ),
        (
            lambda data: data.replace(b"class", b"label"),
            "has no feature 'class', only 'id' (bytes), 'image' (bytes), 'la",
        ),
    ],
)
def test_other_features_are_listed_and_nothing_is_to_be_fetched(
    tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    path = tmp_path / "00-32x32-1.tfrec"
    path.write_bytes(frame(change(serialize(Record(b"a picture", 1, "rose")))))
    with pytest.raises(DataError) as caught:
        ShardRecords(path, Rules(4, labelled=True))
    assert said in str(caught.value)
    assert "write the shard with 'image'" in str(caught.value)
    assert "fetch" not in str(caught.value)
