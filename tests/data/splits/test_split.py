"""Splits: the records of a folder of shards, and every way in which such a folder can be wrong."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfrecord import example_pb2

from lightning_flowers.data.sources.folder import find_shards, open_split
from lightning_flowers.data.splits.fingerprints import content, difference
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.writer import Record, serialize
from lightning_flowers.errors import DataError
from tests.shards import write_split

WriteRecords = Callable[[Path, Iterable[bytes]], Path]
SHARD = "00-32x32-2.tfrec"


def record(image: bytes = b"picture", label: int | None = 1, identity: str = "rose") -> bytes:
    return serialize(Record(image, label, identity))


def without_id() -> bytes:
    example: Any = example_pb2.Example.FromString(record())  # pyright: ignore[reportAttributeAccessIssue]
    del example.features.feature["id"]
    return example.SerializeToString()


@pytest.fixture
def open_records(tmp_path: Path, write_records: WriteRecords) -> Callable[..., Split]:
    """Open a split of one shard that holds these payloads."""

    def open_(*payloads: bytes, labelled: bool = True) -> Split:
        write_records(tmp_path / f"00-32x32-{len(payloads)}.tfrec", payloads)
        return open_split(tmp_path, 32, 4, labelled)

    return open_


def test_records_keep_their_order_over_all_shards(tmp_path: Path) -> None:
    records = [Record(f"picture {n}".encode(), n % 4, f"id{n}") for n in range(11)]
    write_split(tmp_path, 32, records, shards=3)
    split = open_split(tmp_path, 32, 4, labelled=True)
    assert len(split) == 11
    assert split.ids.tolist() == [r.id for r in records]
    assert split.labels.tolist() == [r.label for r in records]
    assert [bytes(split.image_bytes(position)) for position in range(11)] == [r.image for r in records]


def test_more_than_ten_shards_are_ordered_by_number_and_not_by_name(
    tmp_path: Path, write_records: WriteRecords
) -> None:
    for number in range(12):
        write_records(tmp_path / f"{number}-32x32-1.tfrec", [record(identity=f"id{number}")])
    assert open_split(tmp_path, 32, 4, labelled=True).ids.tolist() == [f"id{number}" for number in range(12)]


def test_labels_are_unknown_in_an_unlabelled_split(open_records: Callable[..., Split]) -> None:
    split = open_records(record(identity="a"), record(label=None), labelled=False)
    assert split.labels.tolist() == [-1, -1]
    assert split.labels.dtype == np.int64


def test_a_labelled_record_without_id_is_called_by_its_shard_and_number(open_records: Callable[..., Split]) -> None:
    assert open_records(record(), without_id()).ids.tolist() == ["rose", "00-32x32-2:1"]


def test_an_unlabelled_record_must_have_an_id(open_records: Callable[..., Split]) -> None:
    with pytest.raises(DataError, match=rf"{SHARD}: record 1 at byte \d+: the record has no feature 'id'"):
        open_records(record(), without_id(), labelled=False)


def test_an_id_twice_is_refused_in_an_unlabelled_split_only(open_records: Callable[..., Split]) -> None:
    assert len(open_records(record(), record())) == 2
    with pytest.raises(DataError, match="the id 'rose' stands more than once"):
        open_records(record(), record(), labelled=False)


def test_errors_about_a_position_name_its_shard_and_record(tmp_path: Path) -> None:
    write_split(tmp_path, 32, [Record(b"picture", 0, str(n)) for n in range(5)], shards=2)
    error = open_split(tmp_path, 32, 4, labelled=True).error(4, "is ugly")
    assert str(error).startswith(f"{tmp_path / '01-32x32-2.tfrec'}: record 1 at byte ")
    assert str(error).endswith("is ugly")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train: no such folder of shards"):
        open_split(tmp_path / "train", 32, 4, labelled=True)


def test_a_folder_without_a_shard_is_an_empty_split(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    with pytest.raises(DataError, match="an empty split"):
        open_split(tmp_path, 32, 4, labelled=True)


def test_shards_without_a_record_are_an_empty_split(tmp_path: Path) -> None:
    (tmp_path / "00-32x32-0.tfrec").touch()
    with pytest.raises(DataError, match="an empty split"):
        open_split(tmp_path, 32, 4, labelled=True)


@pytest.mark.parametrize(
    ("names", "missing"), [(["00", "02"], "01"), (["01"], "00"), (["00", "01", "03", "04"], "02"), (["9" * 20], "00")]
)
def test_a_gap_in_the_numbers_names_the_missing_shard(tmp_path: Path, names: list[str], missing: str) -> None:
    for name in names:
        (tmp_path / f"{name}-32x32-1.tfrec").touch()
    with pytest.raises(DataError, match=rf"shard {missing} is missing \({len(names)} are there\)"):
        find_shards(tmp_path, 32)


def test_two_shards_of_one_number_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "00-32x32-1.tfrec").touch()
    (tmp_path / "00-32x32-2.tfrec").touch()
    with pytest.raises(DataError, match=r"00-32x32-1\.tfrec and 00-32x32-2\.tfrec have the same number"):
        find_shards(tmp_path, 32)


def test_a_shard_of_another_size_is_named(tmp_path: Path) -> None:
    (tmp_path / "00-64x64-1.tfrec").touch()
    with pytest.raises(DataError, match=r"00-64x64-1\.tfrec: its name says 64 px, its folder 32 px"):
        find_shards(tmp_path, 32)


@pytest.mark.parametrize("stray", ["flowers.tfrecord", "01-32x32-1.tfrec.zip", "01-32x32-1 (1).tfrec", "01.tfrec"])
def test_a_renamed_shard_is_not_silently_left_out(tmp_path: Path, stray: str) -> None:
    (tmp_path / "00-32x32-1.tfrec").touch()
    (tmp_path / stray).touch()
    with pytest.raises(DataError, match=r"not named NN-SxS-COUNT\.tfrec"):
        find_shards(tmp_path, 32)


def test_other_files_and_unfinished_shards_are_left_alone(tmp_path: Path) -> None:
    for name in ("00-32x32-1.tfrec", ".01-32x32-1.tfrec.part", "notes.txt", ".DS_Store"):
        (tmp_path / name).touch()
    assert [path.name for path in find_shards(tmp_path, 32)] == ["00-32x32-1.tfrec"]


def fingerprint(folder: Path) -> str:
    return open_split(folder, 32, 4, labelled=True).fingerprint


def test_the_fingerprint_begins_with_that_of_names_sizes_and_counts(
    tmp_path: Path, write_records: WriteRecords
) -> None:
    path = write_records(tmp_path / "here" / SHARD, [record(b"a"), record(b"b")])
    listed = hashlib.sha256(f"{SHARD} {path.stat().st_size} 2".encode()).hexdigest()[:16]
    write_records(tmp_path / "there" / SHARD, [record(b"x"), record(b"y")])
    here, there = fingerprint(tmp_path / "here"), fingerprint(tmp_path / "there")
    assert here.startswith(f"{listed}-")
    assert there.startswith(f"{listed}-")
    assert len(content(here) or "") == 16
    assert "the same names and sizes, with other content, or an earlier version's" in difference(here, there)
    assert difference(here, listed) == difference(listed, there) == "", "that is all that is known of an older run's"
    assert difference(here, here) == ""
    assert difference(here, None) == difference(here, f"0{there}") == difference(f"0{listed}", here) == "other records"


@pytest.mark.parametrize("change", [{"label": 2}, {"identity": "other"}, {"image": b"x"}, {"image": b"longer"}])
@pytest.mark.parametrize("labelled", [True, False])
def test_the_content_is_of_pictures_labels_and_ids(
    tmp_path: Path, write_records: WriteRecords, change: dict[str, Any], labelled: bool
) -> None:
    folders = tmp_path / "one", tmp_path / "other"
    for folder, records in zip(folders, ({}, change), strict=True):
        write_records(folder / SHARD, [record(identity="first"), record(**{"identity": "there", **records})])
    one, other = (open_split(folder, 32, 4, labelled).fingerprint for folder in folders)
    assert content(one) != content(other)
    assert difference(one, other)


def test_labels_and_ids_that_changed_places_are_other_content(tmp_path: Path, write_records: WriteRecords) -> None:
    write_records(tmp_path / "one" / SHARD, [record(b"a", 0), record(b"b", 1)])
    write_records(tmp_path / "labels" / SHARD, [record(b"a", 1), record(b"b", 0)])
    write_records(tmp_path / "order" / SHARD, [record(b"b", 1), record(b"a", 0)])
    assert len({content(fingerprint(tmp_path / name)) for name in ("one", "labels", "order")}) == 3


def test_the_content_is_the_same_under_another_name(tmp_path: Path, write_records: WriteRecords) -> None:
    path = write_records(tmp_path / "one" / SHARD, [record(b"a"), record(b"b")])
    renamed = tmp_path / "renamed" / f"0{SHARD}"
    renamed.parent.mkdir()
    renamed.write_bytes(path.read_bytes())
    one, other = fingerprint(path.parent), fingerprint(renamed.parent)
    assert one != other
    assert difference(one, other) == ""


def test_the_fingerprint_changes_with_a_size_or_a_count(tmp_path: Path, write_records: WriteRecords) -> None:
    write_records(tmp_path / "first" / SHARD, [record(b"aa"), record(b"b")])
    write_records(tmp_path / "size" / SHARD, [record(b"aaa"), record(b"b")])
    write_records(tmp_path / "count" / "00-32x32-1.tfrec", [record(b"aa")])
    write_records(tmp_path / "more" / SHARD, [record(b"aa"), record(b"b")])
    write_records(tmp_path / "more" / "01-32x32-1.tfrec", [record(b"c")])
    assert len({content(fingerprint(tmp_path / name)) for name in ("first", "size", "count", "more")}) == 4


def test_an_empty_id_is_refused(open_records: Callable[..., Split]) -> None:
    with pytest.raises(DataError, match="record 0 at byte 0: the feature 'id' is empty"):
        open_records(record(identity=""), labelled=False)
