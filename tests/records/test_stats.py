import csv

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from lightning_flowers.data.sources.demo.draw import draw_flower
from lightning_flowers.data.tfrecord.writer import Record
from lightning_flowers.records.duplicates import BITS, near_pairs, perceptual_hash
from tests.shards import write_split

SIDE = 96


@pytest.fixture(scope="session")
def flowers():
    """16 drawn flowers, uint8 (96, 96, 3)."""
    return [draw_flower(label, SIDE, np.random.default_rng([label, 1])) for label in range(16)]


@pytest.fixture
def leaky(flowers, tmp_path):
    """Val holds flower 0 of train, darker and with another label; test holds flower 1, at half the resolution."""
    darker = (flowers[0] * 0.75).astype(np.uint8)
    coarse = cv2.resize(cv2.resize(flowers[1], (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA), (SIDE, SIDE))
    splits = {
        "train": [(flowers[label], label % 3, 95) for label in range(8)],
        "val": [(darker, 2, 60), *((flowers[label], label % 3, 95) for label in range(8, 12))],
        "test": [(coarse, None, 75), *((flowers[label], None, 95) for label in range(12, 16))],
    }
    (tmp_path / "leaky").mkdir()
    (tmp_path / "leaky" / "classes.txt").write_text("rose\nlily\niris\n")
    for name, pictures in splits.items():
        records = [
            Record(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=quality), label, f"{name}{number}")
            for number, (picture, label, quality) in enumerate(pictures)
        ]
        write_split(tmp_path / "leaky" / f"tfrecords-jpeg-{SIDE}x{SIDE}" / name, SIDE, records, 1)
    return tmp_path / "leaky"


def test_copies_that_were_encoded_anew_are_found_across_splits(records, leaky, tmp_path):
    status, out, err = records("stats", leaky, f"--out={tmp_path / 'stats'}")
    assert (status, err) == (0, "")
    with (tmp_path / "stats" / "duplicates.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    found = {(row["id"], row["id_2"], row["label"], row["label_2"], row["leak"], row["labels_differ"]) for row in rows}
    assert found == {
        ("train0", "val0", "0", "2", "True", "True"),
        ("train1", "test0", "1", "", "True", "False"),
    }
    told = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith("  t") or "-" in line}
    assert told["train-val"] == ["1", "1", "LEAK"]
    assert told["train-test"] == ["1", "0", "LEAK"]
    assert told["train-train"] == ["0", "0"]
    assert out.splitlines()[-2] == "2 pairs leak from one split to another"


def test_counts_are_those_of_the_records(records, petals_root, tmp_path):
    status, _, _ = records("stats", petals_root, f"--out={tmp_path / 'stats'}", "--distance=0")
    assert status == 0
    with (tmp_path / "stats" / "classes.csv").open() as lines:
        rows = list(csv.reader(lines))
    assert rows[:2] == [["label", "class", "train", "val"], ["0", "flower 0", "10", "3"]]
    assert len(rows) == 5
    with Image.open(tmp_path / "stats" / "classes.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 500


def test_a_test_split_alone_has_no_histogram(records, petals_root, tmp_path):
    assert records("stats", petals_root, "--splits=test", f"--out={tmp_path / 'stats'}")[0] == 0
    assert [path.name for path in (tmp_path / "stats").iterdir()] == ["duplicates.csv"]


def test_nothing_is_overwritten(records, petals_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert records("stats", petals_root, "--splits=val")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records-stats", "records-stats-2"]
    status, _, err = records("stats", petals_root, "--out=records-stats")
    assert (status, "--out=records-stats: is there already" in err, len(err.splitlines())) == (2, True, 1)


def test_mistakes_and_damage_are_one_line(records, petals_root, make_petals, tmp_path):
    root = make_petals(tmp_path / "petals", val=0, test=0, shards=1)
    (path,) = (root / "tfrecords-jpeg-32x32" / "train").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    for args, said in ((["--distance=128"], "--distance=128: must be 0 to 127"), ([], "does not match its CRC")):
        status, _, err = records("stats", root, f"--out={tmp_path / 'stats'}", *args)
        assert (status, len(err.splitlines())) == (2, 1)
        assert said in err
        assert not (tmp_path / "stats").exists()


def test_the_hash_bears_what_copies_bear_and_tells_others_apart(flowers):
    hashes = np.stack([perceptual_hash(picture) for picture in flowers])
    assert hashes.shape == (16, BITS)
    for picture, of in zip(flowers, hashes, strict=True):
        again = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(picture, quality=50, colorsubsampling="420"))
        bigger = cv2.resize(picture, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_CUBIC)
        for copy in (again, bigger, (picture * 0.8).astype(np.uint8)):
            assert (perceptual_hash(np.ascontiguousarray(copy)) != of).sum() <= 48
    assert list(near_pairs(hashes, 48)) == []


def test_pairs_are_all_pairs_and_their_distances_exact():
    rng = np.random.default_rng(0)
    hashes = rng.choice(np.array([-1, 1], np.int8), (2500, BITS))
    hashes[2400] = hashes[3]
    hashes[2400, :48] *= -1
    hashes[2401] = hashes[1500]
    hashes[7] = hashes[3]
    hashes[7, :49] *= -1
    assert sorted(near_pairs(hashes, 48)) == [(3, 2400, 48), (7, 2400, 1), (1500, 2401, 0)]
