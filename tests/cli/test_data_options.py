"""What the --data settings do to a whole run: damaged records, folds, other data, pipelines, kept pictures."""

import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import yaml

from lightning_flowers.data.splits import split as splits
from lightning_flowers.data.tfrecord.shard import masked_crc
from lightning_flowers.run.predictions import Predictions

from .conftest import assert_refused, rows_of

# Lightning's, where nothing is validated on.
pytestmark = pytest.mark.filterwarnings("ignore:Total length of .list. across ranks is zero")

TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--model.lr=0.01", "--data.batch_size=40",
    "--data.threads=2", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.max_epochs=1",
]  # fmt: skip
UNCACHED = [*TINY, "--data.cache=none"]


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


def ids_in(folder, split):
    return Predictions.load(folder / "predictions" / f"{split}.npz").ids.tolist()


def shard_of(root, split, number):
    return next((root / "tfrecords-jpeg-32x32" / split).glob(f"{number:02d}-*"))


def payloads_of(data):
    """Where each record's payload begins and ends."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        yield at + 12, at + 12 + length
        at += 12 + length + 4


def flip_a_byte(root, split, number, record):
    """Damage a record's payload; gives where the record lies."""
    path = shard_of(root, split, number)
    data = bytearray(path.read_bytes())
    start, end = list(payloads_of(data))[record]
    data[(start + end) // 2] ^= 1
    path.write_bytes(data)
    return path.name, record, start - 12


def spoil_the_picture(root, split, number, record):
    """Put garbage in place of the JPEG and a CRC that fits behind it."""
    path = shard_of(root, split, number)
    data = bytearray(path.read_bytes())
    start, end = list(payloads_of(data))[record]
    jpeg = data.index(b"\xff\xd8\xff", start, end)
    data[jpeg : jpeg + 100] = bytes(100)
    data[end : end + 4] = masked_crc(bytes(data[start:end])).to_bytes(4, "little")
    path.write_bytes(data)
    return path.name, record, start - 12


def assert_names(text, shard, record, byte):
    assert shard in text
    assert f"record {record}" in text
    assert f"byte {byte}" in text


DAMAGES = [
    ("train", flip_a_byte, 0, 7),
    ("train", spoil_the_picture, 2, 0),
    ("val", flip_a_byte, 1, 99),
    ("val", spoil_the_picture, 0, 3),
    ("test", flip_a_byte, 0, 0),
    ("test", spoil_the_picture, 1, 49),
]


@pytest.fixture
def damaged(make_petals, tmp_path_factory):
    """200 records in each split, two bad ones among them, and where those lie."""
    root = make_petals(tmp_path_factory.mktemp("damaged") / "petals", train=200, val=200, test=200)
    return root, [(split, damage(root, split, number, record)) for split, damage, number, record in DAMAGES]


def assert_left_out(folder, places):
    bad = summary_of(folder)["data"]["bad_records"]
    assert {split: len(texts) for split, texts in bad.items()} == Counter(split for split, _ in places)
    for split, place in places:
        (text,) = (text for text in bad[split] if place[0] in text and f"record {place[1]}" in text)
        assert_names(text, *place)


def assert_skipped(folder, root, places):
    """The run is whole but for the bad records, which its summary names."""
    assert_left_out(folder, places)
    assert len(ids_in(folder, "val")) == len(set(ids_in(folder, "val"))) == 198
    assert not {"val0003", "val0199"} & set(ids_in(folder, "val"))
    wanted = [row["id"] for row in rows_of(root / "sample_submission.csv")]
    assert sorted(row["id"] for row in rows_of(folder / "submission.csv")) == sorted(wanted)
    predicted = Predictions.load(folder / "predictions" / "test.npz")
    assert np.isfinite(predicted.probabilities).all()
    row = rows_of(folder / "metrics.csv")[0]
    for split in ("train", "val"):  # the bad ones count nowhere
        hits = float(row[f"{split}_accuracy"]) * 198
        assert hits == pytest.approx(round(hits), abs=1e-3)
    assert float(row["val_accuracy"]) == pytest.approx(accuracy(folder), abs=1e-5)


def accuracy(folder):
    predicted = Predictions.load(folder / "predictions" / "val.npz")
    return np.mean(predicted.probabilities.argmax(1) == predicted.labels)


def test_damaged_records_are_left_out_and_listed(run, here, damaged):
    root, places = damaged
    status, out, err = run("fit", *UNCACHED, "--data.on_bad_record=skip", data=root)
    assert status == 0, err
    folder = here / "runs/test_resnet"
    assert_skipped(folder, root, places)
    for split in ("train", "val", "test"):
        assert f"skipped    2 of 200 {split} records cannot be used, see summary.json" in out
    submitted = (folder / "submission.csv").read_bytes()
    assert run("predict", f"--run={folder}", data=None)[0] == 0
    assert (folder / "submission.csv").read_bytes() == submitted
    status, out, _ = run("validate", f"--run={folder}", data=None)
    assert status == 0
    assert f"accuracy {accuracy(folder):.4f}" in out


def test_kept_pictures_leave_the_same_records_out(run, here, damaged):
    root, places = damaged
    flags = [*TINY, "--data.on_bad_record=skip", "--data.cache=disk", "--data.cache_dir=kept"]
    for name in ("first", "second"):
        assert run("fit", *flags, f"--name={name}", data=root)[0] == 0
        assert_skipped(here / "runs" / name, root, places)
    first, second = (Predictions.load(here / "runs" / name / "predictions/val.npz") for name in ("first", "second"))
    assert np.array_equal(first.probabilities, second.probabilities)


def test_without_skip_the_first_damaged_record_ends_the_run(run, here, damaged):
    root, places = damaged
    result = run("fit", *UNCACHED, data=root)
    assert_refused(result, ".tfrec", "record", "byte")
    assert any(place[0] in result[2] and f"record {place[1]}" in result[2] for _, place in places)
    assert not list(here.iterdir())


def test_too_many_damaged_records_end_the_run_all_the_same(run, damaged):
    root, _ = damaged
    flip_a_byte(root, "train", 1, 1)
    result = run("fit", *UNCACHED, "--data.on_bad_record=skip", data=root)
    assert_refused(result, "tfrecords-jpeg-32x32/train", "3 of 200 records cannot be used, more than 1% of them")


def test_test_pictures_too_many_of_which_turn_out_damaged_do_not_cost_the_trained_run(run, here, damaged):
    root, _ = damaged
    spoil_the_picture(root, "test", 1, 1)
    result = run("fit", *UNCACHED, "--data.on_bad_record=skip", data=root)
    assert_refused(result, "test: 3 of 200 records cannot be used")
    folder = here / "runs/test_resnet"
    assert (folder / "checkpoints/best.ckpt").exists()
    assert len(rows_of(folder / "metrics.csv")) == 1
    assert not (folder / "submission.csv").exists()


@pytest.mark.slow
def test_two_processes_list_the_bad_records_of_both(here, damaged):
    root, places = damaged
    flags = [*UNCACHED, f"--data.root={root}", "--data.on_bad_record=skip"]
    command = [
        sys.executable,
        "-m",
        "lightning_flowers",
        "fit",
        *flags,
        "--trainer.devices=2",
        "--trainer.strategy=ddp",
    ]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert_skipped(here / "runs/test_resnet", root, places)


def test_training_on_train_and_val_leaves_nothing_to_validate_on(run, here):
    status, out, err = run("fit", *UNCACHED, "--data.train_on=train+val", "--trainer.max_epochs=2")
    assert status == 0, err
    folder = here / "runs/test_resnet-trainval"
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["last.ckpt"]
    assert sorted(path.name for path in (folder / "predictions").iterdir()) == ["test.csv", "test.npz"]
    assert len(rows_of(folder / "submission.csv")) == 9
    assert all(row["train_loss"] and not row["val_loss"] for row in rows_of(folder / "metrics.csv"))
    summary = summary_of(folder)
    assert (summary["best"], summary["data"]["train_on"]) == (None, "train+val")
    assert summary["data"]["records"] == {"train": 52, "test": 9}
    assert "52 train, 9 test" in out
    submitted = (folder / "submission.csv").read_bytes()
    assert run("predict", f"--run={folder}", data=None)[0] == 0
    assert (folder / "submission.csv").read_bytes() == submitted
    assert run("fit", f"--resume={folder}", "--trainer.max_epochs=3", data=None)[0] == 0
    assert len(rows_of(folder / "metrics.csv")) == 3


def test_after_train_and_val_there_is_no_validate(run, here):
    assert run("fit", *UNCACHED, "--data.train_on=train+val")[0] == 0
    assert_refused(run("validate", "--run=runs/test_resnet-trainval", data=None), "train+val")


def test_a_data_set_of_train_alone_is_trained_on(run, make_petals, here):
    alone = make_petals(here / "alone", train=40, val=0, test=0)
    assert_refused(run("fit", *UNCACHED, data=alone), "has no val of 32 px", "--data.train_on=train+val")
    assert not (here / "runs").exists()
    status, out, err = run("fit", *UNCACHED, "--data.train_on=train+val", data=alone)
    assert (status, err, "predicted" in out) == (0, "", False)
    assert (here / "runs/test_resnet-trainval/checkpoints/last.ckpt").is_file()
    for command, lacks in (("predict", "neither val nor test"), ("test", "no test split")):
        assert_refused(run(command, "--run=runs/test_resnet-trainval", data=None), f"{command}: ", lacks)


def test_folds_validate_every_labelled_record_once(run, here):
    seen = Counter()
    folders = [here / f"runs/test_resnet-fold{fold}" for fold in range(3)]
    for fold, folder in enumerate(folders):
        status, _, err = run("fit", *UNCACHED, "--data.folds=3", f"--data.fold={fold}")
        assert status == 0, err
        seen.update(ids_in(folder, "val"))
        data = summary_of(folder)["data"]
        assert (data["folds"], data["fold"]) == (3, fold)
        assert data["records"]["train"] + data["records"]["val"] == 52
    assert seen == Counter([f"train{n:04d}" for n in range(40)] + [f"val{n:04d}" for n in range(12)])
    submitted = (folders[1] / "submission.csv").read_bytes()
    assert run("predict", f"--run={folders[1]}", data=None)[0] == 0
    assert (folders[1] / "submission.csv").read_bytes() == submitted


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data.folds=3"], "--data.folds and --data.fold belong together"),
        (["--data.train_on=everything"], "train_on"),
        (["--data.on_bad_record=ignore"], "on_bad_record"),
        (["--data.extra_roots=[/no/such/folder]"], "/no/such/folder"),
        (["--data.augment=no.yaml"], "--data.augment=no.yaml: neither a preset nor a file"),
        (["--data.remote_limit=0"], "--data.remote_limit=0"),
        (["--data.pseudo_labels=no.csv"], "no.csv: not a readable CSV with the columns id, name and probability"),
        (["--data.pseudo_threshold=0.7"], "it is of --data.pseudo_labels"),
        (["--data.pseudo_threshold=2", "--data.pseudo_labels=no.csv"], "must be in 0..1"),
    ],
)
def test_settings_that_cannot_be_are_answered_in_one_line(run, here, flags, said):
    assert_refused(run("fit", *UNCACHED, *flags), said)
    assert not list(here.iterdir())


def test_other_data_are_trained_on_and_named_as_external(run, here, make_petals, tmp_path_factory):
    other = make_petals(tmp_path_factory.mktemp("other") / "more", train=24, seed=3)
    (other / "classes.txt").write_text("flower 1\nflower 0\nflower 2\nflower 3\n", "utf-8")
    (here / "near").symlink_to(other)
    status, out, err = run("fit", *UNCACHED, "--data.extra_roots=[near]")
    assert status == 0, err
    folder = here / "runs/test_resnet-external"
    data = summary_of(folder)["data"]
    assert (data["external"], data["extra_roots"]) == (True, [str(other.resolve())])
    assert Predictions.load(folder / "predictions/test.npz").external
    assert "submission.csv (trained on external data)" in out
    assert data["records"] == {"train": 64, "val": 12, "test": 9}
    assert "64 train, 12 val, 9 test, with external data of" in out
    assert f"{other} (classes in another order: mapped by name)" in out
    assert ids_in(folder, "val") == [f"val{n:04d}" for n in range(12)]
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["data"]["extra_roots"] == [str(other.resolve())]


def test_what_a_run_says_of_test_is_trained_on_and_told_of(run, here):
    sure = here / "sure.csv"
    lines = ["id,name,probability", "test0003,flower 1,0.95", "test0001,flower 2,0.9", "test0002,flower 0,0.4"]
    sure.write_text("\n".join(lines) + "\n", "utf-8")
    status, out, err = run("fit", *UNCACHED, "--data.pseudo_labels=sure.csv")
    assert status == 0, err
    folder = here / "runs/test_resnet-pseudo"
    data = summary_of(folder)["data"]
    assert (data["records"]["train"], data["pseudo_labelled"], data["external"]) == (42, 2, False)
    assert "42 train, 12 val, 9 test, of which 2 of test with pseudo-labels" in out
    assert "submission.csv (trained on 2 pseudo-labels of test)" in out
    assert yaml.safe_load((folder / "config.yaml").read_text())["data"]["pseudo_labels"] == str(sure)
    status, out, err = run("predict", f"--run={folder}", "--out=again", "--report=false")
    assert "submission.csv (trained on 2 pseudo-labels of test)" in out, err
    assert run("fit", *UNCACHED, f"--model.weights={folder}", "--name=after")[0] == 0
    assert summary_of(here / "runs/after")["data"]["pseudo_labelled"] == 2
    sure.write_text("\n".join([*lines, "test0000,flower 3,0.99"]) + "\n", "utf-8")
    assert_refused(run("fit", f"--resume={folder}", "--trainer.max_epochs=2"), "not the train split of the run")


def test_other_data_must_be_of_the_same_classes_and_size(run, here, make_petals, tmp_path_factory):
    more = tmp_path_factory.mktemp("other")
    classes, size = make_petals(more / "classes", classes=5), make_petals(more / "size", size=48)
    assert_refused(run("fit", *UNCACHED, f"--data.extra_roots=[{classes}]"), "--data.extra_roots", "other classes")
    assert_refused(run("fit", *UNCACHED, f"--data.extra_roots=[{size}]"), "--data.extra_roots", "32 px")
    assert not list(here.iterdir())


PIPELINE = """
- HorizontalFlip: {p: 0.5}
- OneOf:
    p: 0.5
    transforms:
      - RandomBrightnessContrast: {p: 1.0}
      - Rotate: {limit: 20, p: 1.0}
"""


@pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against")
def test_a_pipeline_from_a_file_stands_in_the_config_which_repeats_the_run_from_anywhere(run, here, monkeypatch):
    (here / "mine.yaml").write_text(PIPELINE)
    status, _, err = run("fit", *UNCACHED, "--data.augment=mine.yaml")
    assert status == 0, err
    (here / "mine.yaml").unlink()
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    status, _, err = run("fit", f"--config={here}/runs/test_resnet/config.yaml", data=None)
    assert status == 0, err
    first, second = (rows_of(where / "runs/test_resnet/metrics.csv")[0] for where in (here, elsewhere))
    assert first["train_loss"] == second["train_loss"]
    assert first["val_loss"] == second["val_loss"]
    assert run("predict", "--run=runs/test_resnet", data=None)[0] == 0
    plain = run("fit", *UNCACHED, "--name=plain", "--data.augment=none")
    assert plain[0] == 0
    assert rows_of(elsewhere / "runs/plain/metrics.csv")[0]["train_loss"] != first["train_loss"]


@pytest.fixture
def decoded(monkeypatch):
    """How many pictures were decoded."""
    original, decoded = splits.decode_into, Counter()

    def decode_into(*args):
        decoded["pictures"] += 1
        return original(*args)

    monkeypatch.setattr(splits, "decode_into", decode_into)
    return decoded


def test_pictures_kept_on_disk_are_decoded_once_for_all_runs(run, here, decoded):
    kept = [*TINY, "--data.cache=disk", "--data.cache_dir=kept", "--trainer.max_epochs=2"]
    status, out, err = run("fit", *kept, "--name=first")
    assert status == 0, err
    assert "cache      decoded pictures are kept on disk, in kept/" in out
    first = decoded.pop("pictures")
    assert 40 + 12 + 9 <= first < 2 * 40 + 12 + 9  # padding may be decoded beside the picture it repeats
    status, out, _ = run("fit", *kept, "--name=second")
    assert status == 0
    assert "of them from an earlier run" in out
    test = decoded.pop("pictures")
    assert test == 40  # one batch of test, filled up: it is read once a run and not kept
    assert run("fit", *UNCACHED, "--name=none", "--trainer.max_epochs=2")[0] == 0
    losses = [rows_of(here / f"runs/{name}/metrics.csv")[1]["val_loss"] for name in ("first", "second", "none")]
    assert len(set(losses)) == 1


def test_pictures_that_memory_cannot_hold_are_refused_in_one_line(run, here, monkeypatch):
    monkeypatch.setattr("lightning_flowers.data.cache.free_space.free_memory", lambda: 1000)
    result = run("fit", *TINY, "--data.cache=ram")
    assert_refused(result, "--data.cache=ram: decoded pictures take", "use --data.cache=disk or none")
    assert not list(here.iterdir())
