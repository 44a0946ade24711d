"""Names and numbers of classes on their way into a data set: from tables, folders and lists."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.data.sources.folder import open_split

FLAGS = ["--size=16", "--shards=1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with img/0.jpg ... img/23.jpg."""
    monkeypatch.chdir(tmp_path)
    for number in range(24):
        save(tmp_path / "img" / f"{number}.jpg", number)
    return tmp_path


def save(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), (10 * shade, 0, 0)).save(path)


def labels_of(out, count):
    """Every record's label by its picture's path, and the classes."""
    paths = dict(line.split(",")[::3] for line in (out / "pictures.csv").read_text().splitlines())
    folders = [folder for folder in (out / "tfrecords-jpeg-16x16").iterdir() if folder.name != "test"]
    splits = [open_split(folder, 16, count, True) for folder in folders]
    ids, labels = (np.concatenate([getattr(split, what) for split in splits]).tolist() for what in ("ids", "labels"))
    return {paths[identity]: label for identity, label in zip(ids, labels, strict=True)}


@pytest.mark.parametrize("written", ["{}", "{}.0", " {} ", "{:02}"])
@pytest.mark.parametrize("column", ["label", "class"])
def test_numbers_in_a_table_are_the_labels(records, here, column, written):
    rows = [f"img/{number}.jpg,{written.format(number % 12)}" for number in range(24)]
    (here / "t.csv").write_text("\n".join([f"path,{column}", *rows]))
    assert records("convert", "t.csv", "--out=out", *FLAGS)[0] == 0
    assert labels_of(here / "out", 12) == {f"img/{number}.jpg": number % 12 for number in range(24)}
    assert open_source(here / "out").classes[10:] == ("10", "11")


@pytest.mark.parametrize("names", [("0", "1", "2", "10", "11"), ("0.0", "1.0", "2.0", "10.0", "bud")])
def test_folders_of_numbers_are_sorted_as_numbers(records, here, names):
    for name in names:
        for number in range(2):
            save(here / "in" / name / f"{number}.jpg")
    assert records("convert", "in", "--out=out", *FLAGS)[0] == 0
    assert open_source(here / "out").classes == tuple(name.removesuffix(".0") for name in names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\nimg/0.jpg,0\nimg/1.jpg,1.5", "row 3: '1.5' is a number, but no whole one"),
        ("path,class\nimg/0.jpg,0.5\nimg/1.jpg,1", "row 2: '0.5' is a number, but no whole one"),
        ("path,label,split\nimg/0.jpg,0,\n\nimg/1.jpg,nan,test", "row 4: 'nan' is a number"),
        ("path,label,label\nimg/0.jpg,0,1", "has two columns label: remove one"),
        ('path,class\nimg/0.jpg,"b\nimg/1.jpg,c', "cannot be read as a CSV in UTF-8: unexpected end of data"),
        ("path,class\nimg/0.jpg,rose, red\nimg/1.jpg,c", "row 2 has 3 cells, the header 2"),
        ("path,class\n\0,b\nimg/1.jpg,c", "row 2 has no path"),
    ],
)
def test_a_table_that_says_something_else_is_refused(records, here, text, said):
    (here / "t.csv").write_text(text)
    status, _, err = records("convert", "t.csv", "--out=out", *FLAGS)
    assert (status, len(err.splitlines())) == (2, 1)
    assert said in err
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbfPath;Class;Split\r\nimg\\0.jpg; rose ;train\r\nimg\\1.jpg;"  iris";val\r\n;;\r\n',
        "path\tclass\tsplit\n./img/0.jpg\trose\u200b\t train\nimg/1.jpg\tiris\xa0\tval".encode(),
    ],
    ids=["semicolons", "tabs"],
)
def test_a_spreadsheet_s_ways_are_understood(records, here, data):
    (here / "t.csv").write_bytes(data)
    assert records("convert", "t.csv", "--out=out", *FLAGS)[0] == 0
    assert labels_of(here / "out", 2) == {"img/0.jpg": 1, "img/1.jpg": 0}
    assert open_source(here / "out").classes == ("iris", "rose")


def test_columns_that_are_not_read_are_told(records, here):
    (here / "t.csv").write_text("path,class,splitt\nimg/0.jpg,a,val\nimg/1.jpg,b,train\n")
    assert "note: columns that are not read: 'splitt'\n" in records("convert", "t.csv", "--out=out", *FLAGS)[1]


@pytest.mark.parametrize(
    ("listed", "text", "said"),
    [
        ("a\nb\n", "path,label\nimg/0.jpg,2", "'2' is none of the 2 classes given"),
        ("0.5\n1\n", "path,class\nimg/0.jpg,1", "classes.txt: '0.5' is a number, but no whole one"),
        ("\n", "path,class\nimg/0.jpg,1", "must name two or more classes"),
    ],
)
def test_a_list_of_classes_and_a_table_must_not_contradict(records, here, listed, text, said):
    (here / "t.csv").write_text(text)
    (here / "classes.txt").write_text(listed)
    status, _, err = records("convert", "t.csv", "--out=out", *FLAGS)
    assert (status, len(err.splitlines())) == (2, 1)
    assert said in err


def in_nfd(text):
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize("way", ["folders", "table", "list"])
def test_a_name_in_either_unicode_form_is_one_class(records, here, way):
    names = {"train": "rosé", "val": in_nfd("rosé")}
    for split, name in names.items():
        for number, one in enumerate((name, "lily")):
            save(here / "in" / split / one / f"{number}.jpg")
    (here / "t.csv").write_text(
        f"path,class,split\nimg/0.jpg,rosé,train\nimg/1.jpg,{in_nfd('rosé')},val\nimg/2.jpg,lily,train"
    )
    if way == "list":
        (here / "in/classes.txt").write_text(f"lily\n{in_nfd('rosé')}\n")
    assert records("convert", "t.csv" if way == "table" else "in", "--out=out", *FLAGS)[0] == 0
    assert open_source(here / "out").classes == ("lily", "rosé")


@pytest.mark.parametrize("name", [b"ros\xe9", b" ", b"1.5"])
def test_a_folder_whose_name_is_no_class_is_refused(records, here, name):
    save(here / "in" / "iris" / "0.jpg")
    folder = here / "in" / name.decode(errors="surrogateescape")
    save(folder / "0.jpg")
    status, _, err = records("convert", "in", "--out=out", *FLAGS)
    assert (status, len(err.splitlines()), (here / "out").exists()) == (2, 1, False)
    assert "class" in err or "name" in err
