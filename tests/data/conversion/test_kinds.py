"""What is no data set of a kind that is understood is one line that says what there is."""

import os
import tarfile

import pyarrow as pa
import pytest
from pyarrow import parquet

from lightning_flowers.__main__ import main
from lightning_flowers.data.conversion.kinds import read_pictures
from lightning_flowers.data.conversion.names import split_in
from lightning_flowers.data.tfrecord.writer import frame
from lightning_flowers.errors import DataError, UserError

from .conftest import add, example, petals, write_csv, write_folders, write_parquet, write_tars, write_tfrecords

IMAGE = petals()[0].image


def mixed(root):
    write_tars(root)
    (root / "0.jpg").touch()


def two_tables(root):
    write_csv(root)
    for path in root.glob("*.jpg"):
        path.unlink()
    (root / "more.csv").touch()


def table_of(text):
    def write(root):
        root.mkdir()
        (root / "t.csv").write_text(text)

    return write


def records_of(*records):
    def write(root):
        root.mkdir()
        (root / "a.tfrecord").write_bytes(b"".join(map(frame, records)))

    return write


def damaged(root):
    write_tfrecords(root)
    path = root / "train-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-40])


def columns_of(**columns):
    def write(root):
        root.mkdir()
        parquet.write_table(pa.table(columns), root / "a.parquet")

    return write


def packed(root):
    root.mkdir()
    with tarfile.open(root / "a.tar.gz", "w:gz") as tar:
        add(tar, "0.jpg", IMAGE)


def stray_in_test(root):
    write_folders(root)
    (root / "test" / "rose").mkdir(parents=True)
    for path in (root / "test" / "rose" / "a.jpg", root / "test" / "b.jpg"):
        path.write_bytes(IMAGE)


def no_text(root):
    root.mkdir()
    with tarfile.open(root / "a.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        add(tar, "r\u00f6schen.jpg", IMAGE)
        add(tar, "r\u00f6schen.cls", b"1")


def text(root):
    root.mkdir()
    (root / "notes.txt").write_text("nothing to see")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda root: None, "here: no such folder: give --data.root=FOLDER, where the data lie now"),
        (text, "nor pictures that are understood: folders of classes (with or without "),
        (text, "see python -m lightning_flowers records convert --help"),
        (lambda root: root.mkdir(), "nor pictures that are understood"),
        (mixed, "holds two kinds of data, pictures in folders (0.jpg) and WebDataset tars (train-0.tar): give the"),
        (write_csv, "0.jpg: a picture outside the classes' folders: move it into one; or give the table alone: "),
        (stray_in_test, "b.jpg: a picture outside the classes' folders: move it into one"),
        (two_tables, "holds 2 tables: give one of them, such as "),
        (table_of("\n"), "t.csv: is empty: give a header"),
        (table_of("size,colour\n1,2\n"), "t.csv: columns: none for the path (path, image_path, "),
        (table_of("size,colour\n1,2\n"), "only colour, size: name it, --data.features.image=NAME"),
        (lambda root: write_tars(root, ""), "train-0.tar: 000.jpg has no class: no 000.cls, .json or .txt lies"),
        (no_text, r"the name 'a.tar/r\udcf6schen.jpg' is no UTF-8: rename it"),
        (packed, "a.tar.gz: cannot be read as a tar that is not packed"),
        (records_of(example(image=IMAGE, label=1.5)), "record 0 at byte 0: the feature 'label' is of kind float, not"),
        (records_of(example(image=7, label=1)), "the feature 'image' is of kind int64, not bytes"),
        (records_of(example(image=IMAGE, height=7)), "none for the label (image/class/text, class_name, class"),
        (damaged, "train-00000-of-00001: record 11 at byte "),
        (columns_of(picture=["a"], label=[1]), "a.parquet: the column 'picture' is string, not {bytes"),
        (columns_of(text=["a"], label=[1]), "a.parquet: columns: none for the image (image, image/encoded"),
        (columns_of(image=[IMAGE], size=[1]), "none for the label (image/class/text, class_name, class"),
        (columns_of(image=[IMAGE], label=[0.5]), "a.parquet: the column 'label' holds floats, not whole"),
        (columns_of(image=[IMAGE], label=[None]), "a.parquet/0000000: has no class, which only pictures"),
        (columns_of(image=[IMAGE], label=["x"]), "two or more classes are needed, only 'x' was found"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_one_line(tmp_path, capsys, write, said):
    write(tmp_path / "here")
    status = main(["fit", "--trainer.accelerator=cpu", f"--data.root={tmp_path / 'here'}"])
    err = capsys.readouterr().err
    assert (status, len(err.splitlines())) == (2, 1)
    assert err.startswith(f"lightning_flowers: --data.root={tmp_path / 'here'}")
    assert said in err
    assert not (tmp_path / "cache").exists()


def test_what_is_said_of_all_pictures_names_the_root(tmp_path, capsys):
    for name in ("x", "y"):
        (tmp_path / "here" / name).mkdir(parents=True)
        (tmp_path / "here" / name / "0.jpg").write_bytes(b"none")
    assert main(["fit", f"--data.root={tmp_path / 'here'}"]) == 2
    assert f"--data.root={tmp_path / 'here'}: 2 of 2 pictures cannot be used" in capsys.readouterr().err


def test_an_empty_root_is_not_the_working_folder(capsys):
    assert main(["fit", "--data.root="]) == 2
    assert "--data.root=: give a folder, a file or a URL" in capsys.readouterr().err


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    write_folders(tmp_path / "here")

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match=r"here: cannot be read: Permission denied"):
        read_pictures(tmp_path / "here")


def test_features_are_of_files_that_have_such(tmp_path):
    with pytest.raises(UserError, match=r"--data.features: 'labels' is none of image, label, id: did you mean label?"):
        read_pictures(write_parquet(tmp_path / "a"), features={"labels": "kind"})
    with pytest.raises(UserError, match=r"--data.features: .* holds pictures in folders, which name the classes"):
        read_pictures(write_folders(tmp_path / "b"), features={"label": "kind"})


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("data/train-00000-of-00002.parquet", "train"),
        ("oxford_flowers102-test.tfrecord-00000-of-00002", "test"),
        ("validation/0.tar", "val"),
        ("trained/flowers-dev.tar", "val"),
        ("contest/latest/attraining.tar", None),
    ],
)
def test_a_path_speaks_of_a_split(path, split):
    assert split_in(path) == split


def test_the_records_command_takes_them_too(tmp_path, capsys):
    root = write_tfrecords(tmp_path / "flowers", ("shot", "flower"))
    args = ["records", "convert", str(root), f"--out={tmp_path / 'out'}", "--size=16", "--shards=1"]
    assert main(args) == 2
    assert "only flower, shot: name it, --features.image=NAME" in capsys.readouterr().err
    assert main([*args, "--features.image=shot", "--features.label=flower"]) == 0
    assert "3 classes, 12 train, 6 val, in 2 shards" in capsys.readouterr().out
