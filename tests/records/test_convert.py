import csv
import hashlib

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from lightning_flowers.data.conversion import convert
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.data.sources.folder import open_split

COLOURS = {"iris": (120, 60, 200), "lily": (230, 230, 220), "rose": (200, 30, 60)}


def save(path, colour=(90, 120, 30), size=(60, 40), mode="RGB", **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **kwargs)
    return path


@pytest.fixture
def pictures(tmp_path):
    """ROOT/CLASS/*.jpg: 10 pictures of each of 3 classes, all of other shades."""
    for name, colour in COLOURS.items():
        for number in range(10):
            shade = tuple(max(value - 2 * number, 0) for value in colour)
            save(tmp_path / "pictures" / name / f"{number}.jpg", shade, quality=95)
    return tmp_path / "pictures"


def decoded(split, position):
    out = np.empty((split.size, split.size, 3), np.uint8)
    decode_into(split.image_bytes(position), out)
    return out


def open_all(root, size, classes=3):
    folder = root / f"tfrecords-jpeg-{size}x{size}"
    return {path.name: open_split(path, size, classes, path.name != "test") for path in sorted(folder.iterdir())}


def files(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def table(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_folders_of_classes_become_a_data_set_that_verifies(records, pictures, tmp_path):
    out = tmp_path / "petals"
    status, said, err = records("convert", pictures, f"--out={out}", "--size=24", "--shards=2", "--test_fraction=0.1")
    assert (status, err) == (0, "")
    assert said.splitlines() == [
        f"{out}: 3 classes, 21 train, 6 val, 3 test, in 6 shards",
    ]
    assert records("verify", out)[0] == 0
    source = open_source(out)
    assert source.classes == ("iris", "lily", "rose")
    splits = open_all(out, 24)
    assert {name: len(split) for name, split in splits.items()} == {"test": 3, "train": 21, "val": 6}
    assert np.bincount(splits["train"].labels).tolist() == [7, 7, 7]
    assert np.bincount(splits["val"].labels).tolist() == [2, 2, 2]
    by_id = {row["id"]: row for row in table(out / "pictures.csv")}
    for position, identity in enumerate(splits["train"].ids.tolist()):
        row = by_id[identity]
        assert (row["split"], row["class"]) == ("train", source.classes[splits["train"].label(position)])
        with Image.open(pictures / row["path"]) as original:
            shade = np.asarray(original)[0, 0].astype(int)
        assert np.abs(decoded(splits["train"], position) - shade).max() <= 4
    test = splits["test"].ids.tolist()
    assert sorted(row["id"] for row in table(out / "sample_submission.csv")) == sorted(test)
    labels = {row["id"]: int(row["label"]) for row in table(out / "test_labels.csv")}
    assert sorted(labels.values()) == [0, 1, 2]


def test_an_interrupted_conversion_leaves_nothing_and_the_next_gives_the_same_bytes(
    records, pictures, tmp_path, monkeypatch
):
    flags = ["--size=24", "--shards=3"]
    assert records("convert", pictures, f"--out={tmp_path / 'one'}", *flags)[0] == 0
    calls, render = [], convert.render

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 18:
            raise KeyboardInterrupt
        return render(*args)

    monkeypatch.setattr(convert, "render", interrupted)
    assert records("convert", pictures, f"--out={tmp_path / 'two'}", *flags)[0] == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "pictures"]
    monkeypatch.setattr(convert, "render", render)
    assert records("convert", pictures, f"--out={tmp_path / 'two'}", *flags)[0] == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_what_is_there_is_left_alone(records, pictures, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    status, _, err = records("convert", pictures, f"--out={tmp_path / 'out'}")
    assert (status, "is there already: choose another name" in err) == (2, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    assert "lies in the folder of pictures" in records("convert", pictures, f"--out={pictures / 'out'}")[2]


def test_given_splits_are_kept_and_a_flat_test_has_no_labels(records, tmp_path):
    root, out = tmp_path / "pictures", tmp_path / "out"
    for split, count in (("train", 4), ("val", 2)):
        for name, colour in COLOURS.items():
            for number in range(count):
                save(root / split / name / f"{number}.png", colour)
    for number in range(3):
        save(root / "test" / f"{number}.webp", (9 * number, 0, 0))
    (root / "train" / "readme.txt").write_text("mine")
    (root / "train" / "sizes.csv").write_text("a,b")
    for number in range(8):
        (root / "train" / f"scan.{number}").write_text("mine")
    (root / "classes.txt").write_text("\n".join(sorted(COLOURS)))  # is no such file: it was read
    status, said, _ = records("convert", root, f"--out={out}", "--size=16", "--shards=2")
    assert status == 0
    said_first = (
        "note: 10 files that are not called as pictures are left out (1 .txt, 1 .0, 1 .1, 1 .2, 1 .3, 1 .4 and 4 "
    )
    assert f"{said_first}more kinds), the first: train/readme.txt" in said
    assert {name: len(split) for name, split in open_all(out, 16).items()} == {"test": 3, "train": 12, "val": 6}
    assert not (out / "test_labels.csv").exists()
    err = records("convert", root, f"--out={tmp_path / 'b'}", "--val_fraction=0.1")[2]
    assert "--val_fraction=0.1: there are pictures for val already" in err


def test_without_val_some_of_train_goes_there(records, tmp_path):
    for name, colour in COLOURS.items():
        for number in range(5):
            save(tmp_path / "p" / "train" / name / f"{number}.png", colour)
    records("convert", tmp_path / "p", f"--out={tmp_path / 'out'}", "--size=16")
    assert {name: len(split) for name, split in open_all(tmp_path / "out", 16).items()} == {"train": 12, "val": 3}


def test_the_same_picture_in_two_splits_or_classes_is_told(records, tmp_path):
    for split, name, shades in (("train", "iris", (1, 2)), ("train", "Iris", (1, 3, 4)), ("val", "Iris", (4, 5))):
        for shade in shades:
            save(tmp_path / "p" / split / name / f"{shade}.png", (40 * shade, 0, 0))
    said = records("convert", tmp_path / "p", f"--out={tmp_path / 'out'}", "--size=16", "--shards=1")[1]
    assert "1 pictures stand in two splits: scores may be too good; the first: train/Iris/4.png and" in said
    (torn,) = (line for line in said.splitlines() if "stand in two classes: one of them is wrong" in line)
    assert {"train/Iris/1.png", "train/iris/1.png"} <= set(torn.split())
    assert "note: classes whose names differ in case alone: Iris, iris" in said
    save(tmp_path / "p" / "val" / "Iris" / "4.png", (9, 0, 0))
    (tmp_path / "p" / "train" / "iris" / "1.png").unlink()
    assert " stand in " not in records("convert", tmp_path / "p", f"--out={tmp_path / 'b'}", "--size=16")[1]


def test_a_class_of_one_picture_stays_in_train(records, tmp_path):
    for name, count in (("rose", 10), ("iris", 1)):
        for number in range(count):
            save(tmp_path / "p" / name / f"{number}.png")
    records("convert", tmp_path / "p", f"--out={tmp_path / 'out'}", "--size=16", "--val_fraction=0.8")
    splits = open_all(tmp_path / "out", 16, 2)
    assert np.bincount(splits["train"].labels).tolist() == [1, 2]


def test_a_table_names_pictures_classes_splits_and_ids(records, tmp_path):
    for number in range(6):
        save(tmp_path / "pictures" / f"{number}.jpg", (40 * number, 0, 0), quality=95)
    rows = [
        "path,class,split,id",
        "pictures/0.jpg,rose,train,a",
        "pictures/1.jpg,iris,train,b",
        "pictures/2.jpg,rose,val,c",
        "pictures/3.jpg,,test,d",
        "pictures/4.jpg,iris,test,",
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    status = records("convert", tmp_path / "t.csv", f"--out={out}", "--size=16")[0]
    assert status == 0
    splits = open_all(out, 16, 2)
    assert sorted(zip(splits["train"].ids.tolist(), splits["train"].labels.tolist(), strict=True)) == [
        ("a", 1),
        ("b", 0),
    ]
    assert splits["val"].ids.tolist() == ["c"]
    assert "d" in splits["test"].ids
    assert not (out / "test_labels.csv").exists()  # not all are known


def test_numbers_in_a_table_are_labels_and_get_the_names_given(records, tmp_path):
    for number in range(4):
        save(tmp_path / f"{number}.jpg", (40 * number, 0, 0), quality=95)
    (tmp_path / "t.csv").write_text("path,label\n0.jpg,2\n1.jpg,0\n2.jpg,2\n3.jpg,2\n")
    flags = ["convert", tmp_path / "t.csv", "--size=16", "--val_fraction=0"]
    assert records(*flags, f"--out={tmp_path / 'a'}")[0] == 0
    assert open_source(tmp_path / "a").classes == ("0", "2")
    (tmp_path / "classes.txt").write_text("iris\nlily\nrose\n")
    assert records(*flags, f"--out={tmp_path / 'b'}")[0] == 0
    assert np.bincount(open_all(tmp_path / "b", 16)["train"].labels).tolist() == [1, 0, 3]
    assert open_source(tmp_path / "b").classes == ("iris", "lily", "rose")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "where,class\na.jpg,x",
            "columns: none for the path (path, image_path, filepath, file_path, ...), only class, w",
        ),
        ("path,class\n", "has no row"),
        ("path,class\na.jpg,", "a.jpg: has no class, which only pictures of a test split may lack"),
        (
            "path,size\na.jpg,3",
            "columns: none for the label (image/class/text, class_name, class, label, ...), only path",
        ),
        ("path,class,split\na.jpg,x,rest", "row 2: the split 'rest'"),
        ("path,class\na.jpg,x\na.jpg,y", "a.jpg stands twice: remove one"),
        (f"path,class\na.jpg,x\n{'long ' * 80},y", "1 of 2 pictures cannot be used, the first: "),
        ("path,class\na.jpg,x\nb.jpg,x", "two or more classes are needed, only 'x' was found"),
        ("path,class,id\na.jpg,x,1\nb.jpg,y,1", "the id '1' is that of a.jpg and of b.jpg"),
        ("path,class\na.jpg,x\nno.jpg,y", "no.jpg: cannot be read: No such file"),
    ],
)
def test_a_table_that_cannot_be_is_one_line(records, tmp_path, rows, said):
    for name in ("a", "b"):
        save(tmp_path / f"{name}.jpg")
    (tmp_path / "t.csv").write_text(rows)
    status, _, err = records("convert", tmp_path / "t.csv", f"--out={tmp_path / 'out'}")
    assert (status, len(err.splitlines())) == (2, 1)
    assert said in err
    assert list((tmp_path / "out").rglob("*.tfrec")) == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "give a folder of pictures, or a file"),
        (["nowhere"], "nowhere: no such folder or file"),
        (["pictures", "--size=5"], "--size=5: must be 8 to 4096"),
        (["pictures", "--quality=0"], "--quality=0: must be 1 to 100"),
        (["pictures", "--val_fraction=1"], "--val_fraction=1.0: must be at least 0 and less than 1"),
        (["pictures", "--val_fraction=0.5", "--test_fraction=0.5"], "leave nothing to train on"),
        (["named"], "'lily' is none of the 3 classes given: did you mean lilly?"),
        (["mixed"], "holds train beside rose: splits (train, val, test) or classes, not both"),
        (["loose"], "a picture outside the classes' folders"),
        (["deep"], "a folder where pictures were expected"),
        (["pictures/rose"], "0.jpg: a picture outside the classes' folders"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(records, pictures, tmp_path, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    for path in (
        "named/lily/0.jpg",
        "mixed/train/a/0.jpg",
        "mixed/rose/0.jpg",
        "loose/0.jpg",
        "loose/rose/0.jpg",
        "deep/rose/more/0.jpg",
    ):
        save(tmp_path / path)
    (tmp_path / "named/classes.txt").write_text("iris\nlilly\nrose\n")
    status, _, err = records("convert", *args, "--out=out")
    assert (status, len(err.splitlines())) == (2, 1)
    assert said in err
    assert not (tmp_path / "out").exists()


def test_pictures_that_cannot_be_used_are_listed_or_left_out(records, pictures, tmp_path):
    jpeg = simplejpeg.encode_jpeg(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    (pictures / "rose" / "cut.jpg").write_bytes(jpeg[:-300])
    (pictures / "rose" / "hole.jpg").write_bytes(jpeg[:1500] + b"\xff\xd9" + jpeg[1502:])
    (pictures / "rose" / "text.png").write_text("no picture")
    (pictures / "rose" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (pictures / "rose" / "empty.gif").write_bytes(b"")
    Image.new("I;16", (40, 40)).save(pictures / "rose" / "deep.png")
    frames = [Image.new("RGB", (20, 20), (value, 0, 0)) for value in (0, 200)]
    frames[0].save(pictures / "rose" / "moves.gif", save_all=True, append_images=frames[1:])
    png = save(tmp_path / "whole.png", size=(50, 50)).read_bytes()
    (pictures / "rose" / "cut.png").write_bytes(png[: len(png) // 2])
    status, _, err = records("convert", pictures, f"--out={tmp_path / 'out'}", "--size=16")
    assert (status, len(err.splitlines())) == (2, 1)
    assert f"8 of 38 pictures cannot be used, the first: {pictures / 'rose' / 'IMG_1.HEIC'}: is a HEIC picture" in err
    assert not (tmp_path / "out").exists()
    status, said, _ = records("convert", pictures, f"--out={tmp_path / 'out'}", "--size=16", "--on_bad_record=skip")
    assert (status, f"8 pictures were left out: see {tmp_path / 'out' / 'skipped.csv'}" in said) == (0, True)
    reasons = {row["path"].removeprefix("rose/"): row["why"] for row in table(tmp_path / "out" / "skipped.csv")}
    bad = ["IMG_1.HEIC", "cut.jpg", "cut.png", "deep.png", "empty.gif", "hole.jpg", "moves.gif", "text.png"]
    assert sorted(reasons) == bad
    assert reasons["deep.png"].startswith("has more than 8 bits a channel")
    assert reasons["moves.gif"] == "holds 2 pictures (GIF): save one of them by itself"
    assert reasons["text.png"] == "is no picture of a known format"
    assert records("verify", tmp_path / "out")[0] == 0


def test_every_kind_of_picture_comes_out_right(records, tmp_path):
    root, out = tmp_path / "pictures", tmp_path / "out"
    green = (30, 160, 60)
    grey = Image.new("RGB", (1, 1), green).convert("L").getpixel((0, 0))
    expected = {}
    for name, mode, wanted in (
        ("grey.jpg", "L", (grey,) * 3),
        ("cmyk.jpg", "CMYK", green),
        ("palette.png", "P", green),
        ("plain.bmp", "RGB", green),
    ):
        save(root / "rose" / name, green, mode=mode)
        expected[f"rose/{name}"] = wanted
    clear = Image.new("RGBA", (60, 40), (*green, 0))
    clear.save(root / "rose" / "clear.png")
    expected["rose/clear.png"] = (255, 255, 255)
    save(root / "iris" / "0.png")
    flags = ["--size=16", "--val_fraction=0", "--shards=1"]
    assert records("convert", root, f"--out={out}", *flags)[0] == 0
    split = open_all(out, 16, 2)["train"]
    paths = {row["id"]: row["path"] for row in table(out / "pictures.csv")}
    seen = {paths[identity]: decoded(split, number).mean((0, 1)) for number, identity in enumerate(split.ids.tolist())}
    for path, colour in expected.items():
        assert np.abs(seen[path] - colour).max() < 12, path


def test_pictures_stand_upright_and_are_cut(records, tmp_path):
    """A picture whose left third is red; its EXIF says to turn it a quarter clockwise, so that red is on top."""
    pixels = np.zeros((90, 180, 3), np.uint8)
    pixels[:, :60, 0] = 220
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("rose", "iris"):
        (tmp_path / "p" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "p" / name / "0.jpg", exif=exif, quality=95)
    records("convert", tmp_path / "p", f"--out={tmp_path / 'out'}", "--size=60", "--val_fraction=0")
    picture = decoded(open_all(tmp_path / "out", 60, 2)["train"], 0)
    assert np.ptp(picture[:, 5:55, 0].astype(int), axis=1).max() < 20  # rows are of one colour
    # Turned, it is 90 wide and 180 high with 60 red rows: the middle square holds 15 of them, of 90.
    assert int((picture[:, 30, 0] > 110).sum()) == pytest.approx(10, abs=1)
