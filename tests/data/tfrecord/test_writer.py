"""The writer: shards in the competition's format, whole or not at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import example_pb2

from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.data.tfrecord.writer import Record, serialize, write_shard
from tests.shards import write_split

RECORDS = [Record(f"picture {number}".encode(), number % 3, f"id{number}") for number in range(11)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_shards_are_named_as_the_competition_names_them(tmp_path: Path) -> None:
    paths = write_split(tmp_path / "new" / "train", 224, RECORDS, shards=3)
    assert [path.name for path in paths] == ["00-224x224-4.tfrec", "01-224x224-4.tfrec", "02-224x224-3.tfrec"]
    assert names(tmp_path / "new" / "train") == [path.name for path in paths]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.builds(
            Record, st.binary(max_size=50), st.integers(0, 6), st.text("0123456789abcdef é", min_size=1, max_size=9)
        )
    )
    .filter(bool)
    .flatmap(lambda records: st.tuples(st.just(records), st.integers(1, len(records))))
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, written: tuple[list[Record], int]
) -> None:
    records, shards = written
    folder = tmp_path_factory.mktemp("split")
    paths = write_split(folder, 32, records, shards)
    split = open_split(folder, 32, 7, labelled=True)
    found = [
        Record(bytes(split.image_bytes(at)), int(split.labels[at]), str(split.ids[at])) for at in range(len(split))
    ]
    assert found == records
    counts = [len(Shard(path)) for path in paths]
    assert max(counts) - min(counts) <= 1


def test_an_unlabelled_record_has_no_class(tmp_path: Path) -> None:
    (path,) = write_split(tmp_path, 32, [Record(b"picture", None, "rose")], shards=1)
    example: Any = example_pb2.Example.FromString(bytes(Shard(path).payload(0)))  # pyright: ignore[reportAttributeAccessIssue]
    assert set(example.features.feature) == {"image", "id"}
    assert example.features.feature["id"].bytes_list.value == [b"rose"]


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_split(tmp_path / "first", 32, RECORDS, shards=2)
    second = write_split(tmp_path / "second", 32, RECORDS, shards=2)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("shards", [0, -1, 12])
def test_more_shards_than_records_or_none_are_refused(tmp_path: Path, shards: int) -> None:
    with pytest.raises(ValueError, match=f"11 records do not fill {shards} shards"):
        write_split(tmp_path, 32, RECORDS, shards)
    assert names(tmp_path) == []


def test_a_shard_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    write_split(tmp_path, 32, [Record(b"old", 0, "old")], shards=1)
    write_split(tmp_path, 32, [Record(b"new", 0, "new")], shards=1)
    assert open_split(tmp_path, 32, 1, labelled=True).ids.tolist() == ["new"]


def test_a_shard_that_fails_half_way_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    def failing() -> Iterator[Record]:
        yield RECORDS[0]
        raise RuntimeError("the camera broke")

    path = tmp_path / "00-32x32-2.tfrec"
    write_shard(path, RECORDS[:2])
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="camera"):
        write_shard(path, failing())
    assert path.read_bytes() == before
    assert names(tmp_path) == [path.name]


def test_a_record_has_the_same_bytes_in_every_process() -> None:
    """The features stand in the order of their names; protobuf's own order is another in each process."""
    features = b"".join(
        [
            entry(b"class", b"\x1a\x03\n\x01\x07"),
            entry(b"id", b"\n\x03\n\x01i"),
            entry(b"image", b"\n\x05\n\x03jpg"),
        ]
    )
    assert serialize(Record(b"jpg", 7, "i")) == field(features)


def field(payload: bytes, number: int = 1) -> bytes:
    """A length-delimited field on the wire (shorter than 128 bytes)."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def entry(name: bytes, feature: bytes) -> bytes:
    return field(field(name) + field(feature, number=2))
