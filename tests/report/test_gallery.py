"""Pictures of records, from real shards."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.report.gallery import Pictures, to_jpeg

SIZE = 32


@pytest.fixture
def opened(monkeypatch):
    """The names of the splits that were opened."""
    names = []
    open_split = Split.open
    monkeypatch.setattr(Split, "open", lambda split: (names.append(Path(split.name).name), open_split(split))[1])
    return names


def stored(root, split, position):
    records = open_source(root).open(split, SIZE)
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    decode_into(records.image_bytes(position), picture)
    return str(records.ids[position]), picture


def break_record(root, split, position, byte=200):
    """Flip a byte of a record, counted from its picture's first; gives its id."""
    records = open_source(root).open(split, SIZE)
    encoded = bytes(records.image_bytes(position))
    (path,) = [path for path in root.glob(f"*/{split}/*") if encoded in path.read_bytes()]
    content = bytearray(path.read_bytes())
    content[content.index(encoded) + byte] ^= 255
    path.write_bytes(content)
    return str(records.ids[position])


def test_pictures_are_found_by_their_ids_in_the_order_asked_for(petals_root, opened):
    wanted = [stored(petals_root, "val", position) for position in (7, 0, 11)]
    del opened[:]
    pictures = Pictures(str(petals_root), SIZE).decode([identity for identity, _ in wanted])
    for (_, expected), picture in zip(wanted, pictures, strict=True):
        np.testing.assert_array_equal(picture, expected)
    assert opened == ["val"]


def test_what_val_lacks_is_looked_for_in_train(petals_root, opened):
    (identity, expected), (other, _) = stored(petals_root, "train", 33), stored(petals_root, "val", 3)
    del opened[:]
    pictures = Pictures(str(petals_root), SIZE)
    found = pictures.decode([other, identity, "nobody"])
    np.testing.assert_array_equal(found[1], expected)
    assert found[0] is not None
    assert found[2] is None
    assert pictures.decode(["nobody"]) == [None]
    assert opened == ["val", "train"]  # each once


def test_a_damaged_picture_is_none(petals_root, tmp_path):
    root = shutil.copytree(petals_root, tmp_path / "petals")
    broken, (whole, _) = break_record(root, "val", 4), stored(root, "val", 5)
    first, second = Pictures(str(root), SIZE).decode([broken, whole])
    assert first is None
    assert second is not None


def test_a_split_that_can_only_be_read_without_its_damaged_records_is_read_so(make_petals, tmp_path):
    root = make_petals(tmp_path / "petals", train=0, val=120)
    (whole, _), broken = stored(root, "val", 5), break_record(root, "val", 4, byte=-1)  # the length of the picture
    with pytest.raises(DataError):
        open_source(root).open("val", SIZE)
    first, second = Pictures(str(root), SIZE).decode([broken, whole])
    assert first is None
    assert second is not None


def test_a_root_without_val_has_those_of_train(petals_root, tmp_path):
    root = shutil.copytree(petals_root, tmp_path / "petals")
    shutil.rmtree(root / f"tfrecords-jpeg-{SIZE}x{SIZE}" / "val")
    identity, expected = stored(root, "train", 0)
    (found,) = Pictures(str(root), SIZE).decode([identity])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("root", "size", "said"),
    [
        ("{root}/nowhere", SIZE, "no such folder"),
        ("{root}", 64, "has no shards of that size, only of 32 px"),
        ("{empty}", SIZE, "no shards there"),
        ("gs://petals", SIZE, "gs://petals: a URL: pictures are shown of a folder's shards only"),
    ],
)
def test_a_root_without_pictures_is_one_line(petals_root, tmp_path, root, size, said):
    with pytest.raises(UserError, match=said) as caught:
        Pictures(root.format(root=petals_root, empty=tmp_path), size)
    assert len(str(caught.value).splitlines()) == 1


def test_a_damaged_shard_is_named(petals_root, tmp_path):
    root = shutil.copytree(petals_root, tmp_path / "petals")
    shard = sorted((root / f"tfrecords-jpeg-{SIZE}x{SIZE}" / "val").iterdir())[0]
    shard.write_bytes(b"")
    with pytest.raises(DataError, match=shard.name):
        Pictures(str(root), SIZE).decode(["val0000"])


@pytest.mark.parametrize(
    ("shape", "px", "expected"), [((32, 32), 16, (16, 16)), ((40, 20), 10, (10, 5)), ((8, 8), 20, (8, 8))]
)
def test_a_jpeg_is_no_larger_than_asked_for_and_shows_the_picture(shape, px, expected):
    picture = np.zeros((*shape, 3), np.uint8)
    picture[: shape[0] // 2] = (250, 120, 10)
    decoded = simplejpeg.decode_jpeg(to_jpeg(picture, px))
    assert decoded.shape == (*expected, 3)
    np.testing.assert_allclose(decoded[0, 0], (250, 120, 10), atol=12)
    np.testing.assert_allclose(decoded[-1, -1], 0, atol=12)


def test_making_smaller_takes_the_mean_of_an_area():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2] = 200
    decoded = simplejpeg.decode_jpeg(to_jpeg(picture, 16))
    np.testing.assert_allclose(decoded, 100, atol=3)
