import io
import re

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize, write_shard


@pytest.fixture
def root(make_petals, tmp_path):
    return make_petals(tmp_path / "petals")


def shard(root, split="train", number=1):
    return sorted((root / "tfrecords-jpeg-32x32" / split).glob("*.tfrec*"))[number]


def jpeg(side=32, seed=0):
    picture = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return simplejpeg.encode_jpeg(picture, quality=95, colorsubsampling="444")


def flip(path, byte):
    data = bytearray(path.read_bytes())
    data[byte] ^= 0xFF
    path.write_bytes(data)


def test_good_shards_are_all_good(records, petals_root):
    status, out, err = records("verify", petals_root)
    assert (status, err) == (0, "")
    (line,) = out.splitlines()
    assert line.startswith("7 shards, 61 records, ")
    assert "all good (61 pictures decoded, " in line
    assert "images/s" in line


@pytest.mark.parametrize(
    ("damage", "record", "said"),
    [
        (lambda path, spans: flip(path, spans[4].offset + 100), "4", "does not match its CRC"),
        (lambda path, spans: flip(path, spans[4].offset - 12), "4", "the length does not match its CRC"),
        (lambda path, spans: flip(path, spans[4].offset - 2), "4", "the length does not match its CRC"),
        (lambda path, spans: path.write_bytes(path.read_bytes()[: spans[4].offset + 9]), "4", "the file is cut after"),
        (lambda path, spans: path.write_bytes(path.read_bytes()[: spans[4].offset - 12]), "4-12", "or is missing"),
        (lambda path, spans: path.write_bytes(b""), "0-12", "or is missing"),
        (lambda path, spans: path.rename(path.with_name("01-32x32-9.tfrec")), "-", "holds 13 records, but its name"),
        (lambda path, spans: path.rename(path.with_name("petals.tfrec")), "-", "not named NN-SxS-COUNT.tfrec"),
        (lambda path, spans: path.rename(path.with_name("01-64x64-13.tfrec")), "-", "its name says 64 px"),
        (lambda path, spans: path.rename(path.with_name("02-32x32-14.tfrec")), "-", "have the same number"),
        (lambda path, spans: path.unlink(), "-", "shard 01 is missing"),
        (lambda path, spans: (path.unlink(), path.mkdir()), "-", "not a file"),
    ],
)
def test_every_kind_of_damage_is_found_and_the_rest_is_checked(records, root, damage, record, said):
    path = shard(root)
    damage(path, Shard(path).spans)
    status, out, _ = records("verify", root)
    rows = out.splitlines()[2:-2]
    assert status == 1
    assert any(row.split()[1] == record and said in row for row in rows)
    found = re.search(r"bad records: \d+, bad files and folders: \d+ \((\d+) pictures decoded", out.splitlines()[-1])
    assert found is not None
    assert int(found[1]) >= 61 - 13


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"\xff\xff no Example", "unknown wire type 7"),
        (serialize(Record(b"no picture", 0, "x")), "the picture is damaged: the picture cannot be decoded"),
        (serialize(Record(jpeg()[:-400], 0, "x")), "the picture is damaged: Premature end of JPEG file"),
        (
            serialize(Record(jpeg()[:-400] + b"\xff\xd9" + jpeg()[-398:], 0, "x")),
            "the picture is damaged: Corrupt JPEG",
        ),
        (serialize(Record(jpeg(), 4, "x")), "label 4 is outside the 4 classes"),
        (serialize(Record(jpeg(), None, "x")), "the record has no feature 'class'"),
        (serialize(Record(jpeg(), 0, "")), "the feature 'id' is empty"),
        (serialize(Record(jpeg(), 0, "train0003")), "its id 'train0003' is also that of 00-32x32-14.tfrec record 3"),
    ],
)
def test_a_bad_record_whose_crc_is_good_is_found(records, root, payload, said):
    path = shard(root)
    spans, data = Shard(path).spans, path.read_bytes()
    start, stop = spans[5].offset - 12, spans[5].offset + spans[5].length + 4
    path.write_bytes(data[:start] + frame(payload) + data[stop:])
    status, out, _ = records("verify", root)
    header, _, row, _, last = out.splitlines()
    assert status == 1
    assert header.split() == ["shard", "record", "byte", "what"]
    assert row.split()[:3] == [str(path), "5", str(start)]
    assert said in row
    assert "bad records: 1, bad files and folders: 0 (" in last


def test_pictures_of_another_size_are_a_note(records, root):
    path = shard(root).with_name("03-32x32-2.tfrec")
    write_shard(path, [Record(jpeg(48), 0, "a"), Record(png(), 0, "b")])
    status, out, _ = records("verify", root)
    assert status == 0
    assert out.startswith("note: 1 pictures have not the size their shard's name says")


def test_a_size_and_splits_can_be_chosen(records, root):
    flip(shard(root, "test", 0), 300)
    assert records("verify", root, "--splits=train,val")[0] == 0
    assert records("verify", root, "--size=32", "--splits=test")[0] == 1


def test_mistakes_are_one_line(records, tmp_path, petals_root):
    for args, said in (
        (["verify", tmp_path / "none"], "no such folder"),
        (["verify", petals_root, "--size=1"], "--size=1"),
    ):
        status, _, err = records(*args)
        assert (status, len(err.splitlines())) == (2, 1)
        assert said in err


def png():
    file = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(file, "png")
    return file.getvalue()
