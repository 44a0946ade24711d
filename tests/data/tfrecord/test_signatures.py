"""Files that lie in a shard's place: each is called what it is, with a mend."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_flowers.data.tfrecord.index import Rules, ShardRecords
from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError

SHARD = frame(serialize(Record(b"picture" * 50, 1, "rose")))


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("shard", SHARD)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(SHARD), "a gzip file: unpack it (gunzip)"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(99), "a JPEG picture: make shards of pictures with `records convert`"),
        (zipped(), "a zip archive: unpack it"),
        (b"\n<!DOCTYPE html><html>Sign in", "an HTML page, as a failed download leaves: fetch the shard again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer: fetch the file itself (git lfs pull)"),
    ],
    ids=["gzip", "jpeg", "zip", "html", "lfs"],
)
@pytest.mark.parametrize("skip", [False, True])
def test_another_file_is_called_what_it_is(tmp_path: Path, content: bytes, said: str, skip: bool) -> None:
    path = tmp_path / "00-32x32-1.tfrec"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Shard(path, skip)
    assert f"{path}: not a TFRecord file: it is " in str(caught.value)
    assert said in str(caught.value)


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
