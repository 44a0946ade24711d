"""A root of any kind becomes shards once, told in a line, and is found again."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lightning_flowers.__main__ import main
from lightning_flowers.data.conversion import convert
from lightning_flowers.data.conversion.opening import open_data
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.tfrecord.writer import frame
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.report.findings import Record
from lightning_flowers.report.gallery import photograph
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import read_run

from ...conftest import fit_tiny, predict_tiny
from .conftest import (
    COLOURS,
    NAMES,
    WRITERS,
    add,
    example,
    petals,
    write_csv,
    write_folders,
    write_tars,
    write_tfrecords,
)

SIZE = 16


@pytest.mark.parametrize("kind", WRITERS)
def test_pictures_of_every_kind_are_read_once(tmp_path, capsys, cache, kind):
    root = WRITERS[kind](tmp_path / "flowers")
    source = open_data(str(root), SIZE)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("converting 18 pictures (")
    assert f"{root}) to 16 px, once, into {cache}" in said
    assert (source.classes, source.origin) == (NAMES, str(root))
    for name, count in (("train", 12), ("val", 6)):
        split = source.open(name, SIZE)
        assert np.bincount(split.labels).tolist() == [count // 3] * 3
        for position in range(count):
            decode_into(split.image_bytes(position), out := np.empty((SIZE, SIZE, 3), np.uint8))
            assert np.abs(out.mean((0, 1)) - COLOURS[NAMES[split.label(position)]]).max() < 25
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.tfrec")}
    assert open_data(str(root), SIZE).root == source.root
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.tfrec")} == before
    assert capsys.readouterr().err == ""


def test_without_splits_a_fifth_of_each_class_is_drawn_and_told(tmp_path, capsys):
    root = write_folders(tmp_path / "flowers")
    for name in NAMES:
        for path in (root / "validation" / name).iterdir():
            path.rename(root / "train" / name / path.name)
    source = open_data(str(root / "train"), SIZE)
    assert "; a fifth of each class, drawn with seed 0, becomes val" in capsys.readouterr().err
    assert np.bincount(source.open("val", SIZE).labels).tolist() == [1, 1, 1]


def test_of_few_pictures_none_is_val(tmp_path, capsys):
    for number, one in enumerate(petals()[::3]):
        path = tmp_path / "flowers" / one.name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.image)
    root = str(tmp_path / "flowers")
    data = PetalsDataModule(root, SIZE)
    assert "note: no class has enough pictures for that: there is no val" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"to train without, or --data.folds=5 --data.fold=0 to cut one$"):
        data.splits["val"]
    assert len(PetalsDataModule(root, SIZE, folds=5, fold=0).splits["train"]) == 4
    for number in (1, 3):
        (tmp_path / "flowers" / petals()[3 * number].name / f"{number}.jpg").unlink()
    with pytest.raises(DataError, match=r"to train without, or --data.folds=4 --data.fold=0 to cut one$"):
        PetalsDataModule(root, SIZE).splits["val"]


def test_of_an_extra_root_all_is_trained_on(tmp_path, capsys):
    root, extra = (write_folders(tmp_path / name) for name in ("flowers", "more"))
    PetalsDataModule(str(root), SIZE)
    capsys.readouterr()
    data = PetalsDataModule(str(root), SIZE, extra_roots=[str(extra / "train")])
    assert "becomes val" not in capsys.readouterr().err
    assert [len(data.splits[name]) for name in ("train", "val")] == [12 + 12, 6]
    assert f"with external data of {extra / 'train'}" in data.describe()
    for same in (root / "train", root / "validation" / ".." / "train"):
        with pytest.raises(UserError, match="is the data set itself: leave it out"):
            PetalsDataModule(str(root / "train"), SIZE, extra_roots=[str(same)])
    with pytest.raises(UserError, match=f"--data.extra_roots: {extra / 'train'} stands twice: leave one out"):
        PetalsDataModule(str(root), SIZE, extra_roots=[str(extra / "train"), f"{extra}/./train"])
    shards = open_data(str(root / "train"), SIZE).root
    with pytest.raises(UserError, match="is the data set itself: leave it out"):
        PetalsDataModule(str(root / "train"), SIZE, extra_roots=[str(shards)])
    shutil.rmtree(extra / "train" / "rose")
    with pytest.raises(UserError, match=rf"{extra / 'train'} has other classes than {root} .*'rose'"):
        PetalsDataModule(str(root), SIZE, extra_roots=[str(extra / "train")])


def test_other_pictures_and_other_sizes_are_converted_anew(tmp_path, cache):
    root = write_folders(tmp_path / "flowers")
    roots = {open_data(str(root), size).root for size in (SIZE, 24)}
    (root / "train" / "rose" / "12.jpg").unlink()
    roots.add(open_data(str(root), SIZE).root)
    assert len(roots) == len(list(cache.glob("[!.]*"))) == 3


def test_names_of_other_features_are_given(tmp_path):
    root = str(write_tfrecords(tmp_path / "flowers", ("shot", "flower")))
    with pytest.raises(
        DataError,
        match=r"train-00000-of-00001: features: none for the image .*, only flower, shot: .*image",
    ):
        open_data(root, SIZE)
    data = PetalsDataModule(root, SIZE, features={"image": "shot", "label": "flower"})
    assert data.describe().startswith(f"{root}, as ")
    assert len(data.splits["train"]) == 12


def test_columns_are_named_as_the_table_writes_them(tmp_path):
    table = write_csv(tmp_path / "flowers")
    table.write_text(table.read_text().replace("filename,species", "Picture Path,Flower"))
    source = open_data(str(table), SIZE, {"image": "Picture Path", "label": "Flower"})
    assert source.classes == NAMES
    with pytest.raises(DataError, match=r"columns: none for the label \(Klasse\), only flower, picture path, set"):
        open_data(str(table), SIZE, {"image": "Picture Path", "label": "Klasse"})


def test_features_may_be_of_the_root_alone(tmp_path):
    table, extra = write_csv(tmp_path / "flowers"), write_folders(tmp_path / "more")
    data = PetalsDataModule(str(table), SIZE, features={"label": "species"}, extra_roots=[str(extra / "train")])
    assert len(data.splits["train"]) == 12 + 12
    with pytest.raises(UserError, match=r"data.features.label=None: give a name, or leave it out"):
        open_data(str(table), SIZE, {"label": None})  # pyright: ignore[reportArgumentType]


def test_heic_pictures_beside_data_of_another_kind_are_no_second_kind(tmp_path):
    roots = [write(tmp_path / name) for name, write in (("t", write_tfrecords), ("c", lambda to: write_csv(to).parent))]
    for root in roots:
        (root / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    for file in roots[1].glob("*.jpg"):
        file.unlink()
    assert len(open_data(str(roots[0]), SIZE).open("train", SIZE)) == 12
    with pytest.raises(DataError, match=r"18 of 18 pictures cannot be used, the first: .*0.jpg: cannot be read"):
        open_data(str(roots[1]), SIZE)


def test_a_run_on_a_table_can_be_asked_about_folders(tmp_path, capsys):
    table, folders = write_csv(tmp_path / "flowers"), write_folders(tmp_path / "folders")
    run = fit_tiny(tmp_path / "runs", table, "table", f"--data.size={SIZE}", "--data.features.label=species")
    asked = ["validate", f"--run={run}", f"--data.root={folders}"]
    assert main(asked) == 2
    assert "leave it out, or where it is a run's give --data.features=null" in capsys.readouterr().err
    assert main([*asked, "--data.features=null"]) == 0


def test_a_file_that_a_table_names_in_vain_is_told_or_left_out(tmp_path, capsys, monkeypatch):
    table = write_csv(tmp_path / "flowers")
    (table.parent / "0.jpg").unlink()
    with monkeypatch.context() as before_any_is_converted:
        before_any_is_converted.setattr(convert, "render", None)
        with pytest.raises(DataError, match=r"--data.root=.*labels.csv: 1 of 18 .* first: .*0.jpg: .*: No such file"):
            open_data(str(table), SIZE)
    assert "once, into" in capsys.readouterr().err
    assert len(open_data(str(table), SIZE, skip_bad=True).open("train", SIZE)) == 11
    assert "1 pictures were left out: see " in capsys.readouterr().err


def test_of_two_pictures_beside_a_label_one_is_to_be_named(tmp_path):
    root = write_tars(tmp_path / "flowers")
    picture = petals()[0].image
    with tarfile.open(root / "train-0.tar", "a") as tar:
        add(tar, "000.heic", picture)  # is not read here, and no second picture
    assert len(open_data(str(root), SIZE).open("train", SIZE)) == 12
    with tarfile.open(root / "train-0.tar", "a") as tar:
        add(tar, "000.mask.png", picture)
    with pytest.raises(DataError, match=r"000.cls lies beside two pictures, 000.jpg and 000.mask.png: .*image=jpg, "):
        open_data(str(root), SIZE)
    with tarfile.open(root / "train-0.tar", "a") as tar:
        for name in ("900.png", "901.png", "901.mask.png"):
            add(tar, name, picture)
        for name in ("900.cls", "901.cls"):
            add(tar, name, NAMES[0].encode())
    with pytest.raises(DataError, match=r"901.cls lies beside two pictures, 901.png and 901.mask.png: .*=png,mask.png"):
        open_data(str(root), SIZE, {"image": "jpg"})
    for name in ("jpg,png", ".JPG, .png"):
        assert len(open_data(str(root), SIZE, {"image": name}).open("train", SIZE)) == 14
    with pytest.raises(DataError, match=r"extensions: none for the image \(jpeg\), only cls, jpg"):
        open_data(str(write_tars(tmp_path / "others")), SIZE, {"image": "jpeg"})
    with tarfile.open(root / "train-0.tar", "a") as tar:
        add(tar, "900.PNG", picture)
    with pytest.raises(DataError, match=r"900.cls lies beside two pictures, 900.png and 900.PNG: rename one"):
        open_data(str(root), SIZE, {"image": "jpg,png"})


def test_pictures_in_a_tar_may_have_any_extension(tmp_path):
    root = tmp_path / "flowers"
    root.mkdir()
    for split in ("train", "test"):
        with tarfile.open(root / f"{split}.tar", "w") as tar:
            for number, one in enumerate(petals()):
                add(tar, f"{number}.shot", one.image)
                add(tar, f"{number}.mask.png", petals()[0].image)
                if split == "train":
                    add(tar, f"{number}.cls", one.name.encode())
    source = open_data(str(root), SIZE, {"image": "shot"})
    assert [len(source.open(name, SIZE)) for name in ("train", "val", "test")] == [15, 3, 18]


def test_a_damaged_picture_is_told_or_left_out(tmp_path, capsys):
    root = write_folders(tmp_path / "flowers")
    (root / "train" / "rose" / "12.jpg").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"1 of 18 pictures cannot be used, the first: .*12.jpg: .*on_bad_record=skip"):
        open_data(str(root), SIZE)
    assert len(PetalsDataModule(str(root), SIZE, on_bad_record="skip").splits["train"]) == 11
    assert "1 pictures were left out: see " in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--data.root=0.jpg", "--data.extra_roots=[0.jpg]"])
def test_a_picture_names_the_flag_that_it_was_given_to(petals_root, tmp_path, monkeypatch, capsys, flag):
    monkeypatch.chdir(tmp_path)
    Path("0.jpg").touch()
    where = [] if flag.startswith("--data.root") else [f"--data.root={petals_root}"]
    assert main(["fit", "--trainer.accelerator=cpu", *where, flag]) == 2
    err = capsys.readouterr().err
    assert flag.partition("=")[0] in err
    assert "0.jpg: one picture is no data set: give its folder" in err


def test_another_feature_is_other_pictures(tmp_path, cache):
    rows = [{"shot": one.image, "mask": petals()[0].image, "label": NAMES.index(one.name)} for one in petals()]
    (tmp_path / "a.tfrecord").write_bytes(b"".join(frame(example(**row)) for row in rows))
    made = [open_data(str(tmp_path / "a.tfrecord"), SIZE, {"image": name}) for name in ("shot", "mask")]
    kinds = [
        len({bytes(split.image_bytes(at)) for at in range(len(split))})
        for split in (one.open("train", SIZE) for one in made)
    ]
    assert (kinds[0] > 1, kinds[1]) == (True, 1)


def test_a_size_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--data.size=5: must be 8 to 4096"):
        open_data(str(write_folders(tmp_path / "flowers")), 5)


@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_a_run_on_pictures_knows_where_they_lie(tmp_path, monkeypatch, capsys, cache):
    """It is repeated and gone on with by their own place, also when their shards are gone."""
    monkeypatch.chdir(tmp_path)
    write_folders(tmp_path / "flowers")
    run = fit_tiny(tmp_path / "runs", Path("flowers"), "mine", "--data.size=32")
    assert f"data       {tmp_path / 'flowers'}, as {cache}" in capsys.readouterr().out
    assert f"root: {tmp_path / 'flowers'}\n" in (run / "config.yaml").read_text()
    shutil.rmtree(cache)
    predict_tiny(run)
    assert "converting 18 pictures" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("default:.*may have:UserWarning")
def test_val_of_pictures_that_have_changed_may_have_been_trained_on(tmp_path, capsys, cache):
    flowers = write_folders(tmp_path / "flowers")
    run = fit_tiny(tmp_path / "runs", flowers, "first", "--data.size=32")
    shutil.move(next(flowers.glob("train/*/*.jpg")), next(flowers.glob("v*/*")))
    capsys.readouterr()
    assert main(["validate", f"--run={run}"]) == 0
    told = "/val: not the val split of the run "
    assert f"{told}{run} (other records): it may have been trained on some of these records" in capsys.readouterr().err
    predict_tiny(run, f"--out={tmp_path / 'out'}")
    assert told in capsys.readouterr().err
    fit_tiny(tmp_path / "runs", flowers, "second", "--data.size=32", f"--model.weights={run}")
    said = capsys.readouterr()
    assert f"{run}: its data have changed since: it may have seen records that are val here" in said.err
    assert "external" not in said.out
    fit_tiny(tmp_path / "runs", flowers, "third", "--data.size=32", f"--model.weights={tmp_path / 'runs/second'}")
    assert main(["validate", f"--run={tmp_path / 'runs/third'}"]) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_pictures_of_a_run_are_found_where_its_shards_are_gone(tmp_path, cache):
    flowers = write_folders(tmp_path / "flowers")
    run = fit_tiny(tmp_path / "runs", flowers, "mine", "--data.size=32")
    (identity,) = Predictions.load(run / "predictions/val.npz").ids[:1].tolist()
    shutil.rmtree(cache)
    record = Record(identity, 0, "", 0.0, 0, "", 0.0)
    for given in (None, str(flowers)):
        assert photograph(read_run(run), [record], given)[0][identity].shape == (32, 32, 3)
