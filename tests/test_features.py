"""Features of a frozen backbone, computed once, give the run that computing them at each step gives."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch

from lightning_flowers import feature_store
from lightning_flowers.__main__ import main
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.predictions import Predictions

TIMES = ("seconds", "images_per_second", "data_wait_seconds")
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--model.lr=0.01", "--model.dropout=0.2",
    "--model.freeze_backbone=true", "--data.batch_size=8", "--data.threads=2", "--data.cache=none",
    "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.max_epochs=3",
]  # fmt: skip


@pytest.fixture
def passes(monkeypatch):
    """How many pictures went through the backbone since the last `clear`, padding included."""
    original, passes = FlowerClassifier.features, Counter()

    def features(self, image):
        assert not self.backbone.training
        passes["pictures"] += len(image)
        return original(self, image)

    monkeypatch.setattr(FlowerClassifier, "features", features)
    return passes


@pytest.fixture
def fit(here, petals_root, capsys):
    """`fit(name, *flags)`: the output of a run."""

    def fit(name, *flags, data=petals_root):
        status = main(["fit", *TINY, f"--data.root={data}", f"--name={name}", *flags])
        out, err = capsys.readouterr()
        assert status == 0, err
        return out

    return fit


def scores_of(folder):
    """The rows of metrics.csv without those that tell of time: (epochs, scores)."""
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    return np.array([[float(value) for name, value in row.items() if name not in TIMES] for row in rows])


def assert_same_scores(a, b, epochs=None):
    np.testing.assert_allclose(scores_of(a)[:epochs], scores_of(b)[:epochs], rtol=1e-4)


def assert_same_predictions(a, b):
    for split in ("val", "test"):
        one, other = (Predictions.load(folder / "predictions" / f"{split}.npz") for folder in (a, b))
        assert np.array_equal(one.ids, other.ids)
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    assert (a / "submission.csv").read_bytes() == (b / "submission.csv").read_bytes()


def test_one_pass_over_the_pictures_gives_what_one_in_each_epoch_does(here, fit, passes):
    out = fit("cached", "--data.augment=none")
    assert passes["pictures"] == 40 + 16 + 16  # train, val and test, the last two filled up to whole batches
    assert "features   those of the frozen backbone are computed once, of 1 view of each picture" in out
    for split, records in (("train", 40), ("val", 12), ("test", 9)):
        assert f"features   {split}: features of {records} pictures computed once, in" in out

    passes.clear()
    out = fit("uncached", "--data.augment=none", "--model.feature_cache=false")
    assert passes["pictures"] == 3 * (40 + 16) + 16 + 16 + 16  # and a first look at val, and predictions of it
    assert "features   none, as --model.feature_cache=false says" in out
    assert_same_scores(here / "runs/cached", here / "runs/uncached")
    assert_same_predictions(here / "runs/cached", here / "runs/uncached")


def test_k_views_are_those_of_the_first_k_epochs_and_come_again(here, fit, passes):
    out = fit("cached", "--model.feature_views=2", "--trainer.max_epochs=4")
    assert passes["pictures"] == 2 * 40 + 16 + 16
    assert "computed once, of 2 views of each picture" in out
    fit("uncached", "--trainer.max_epochs=4")
    assert_same_scores(here / "runs/cached", here / "runs/uncached", epochs=2)
    assert not np.allclose(scores_of(here / "runs/cached")[2:], scores_of(here / "runs/uncached")[2:], rtol=1e-4)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "none: pictures are augmented anew in each epoch (--model.feature_views=K would keep K views)"),
        (["--model.mixup=0.2", "--data.augment=none"], "none: Mixup and CutMix mix the pictures anew at each step"),
    ],
)
def test_pictures_that_change_at_each_step_are_computed_at_each_step(fit, passes, flags, said):
    out = fit("changing", "--trainer.max_epochs=1", *flags)
    assert f"features   {said}" in out
    assert passes["pictures"] == 40 + 16 + 16 + 16 + 16


def test_a_trained_backbone_has_no_features_to_keep(fit):
    assert "features" not in fit("trained", "--model.freeze_backbone=false", "--trainer.max_epochs=1")


def test_a_finished_run_predicts_and_validates_as_it_did(here, fit, capsys):
    fit("cached", "--data.augment=none")
    shutil.copytree("runs/cached", "before")
    assert main(["predict", "--run=runs/cached"]) == 0
    assert_same_predictions(here / "runs/cached", here / "before")
    capsys.readouterr()
    assert main(["validate", "--run=runs/cached"]) == 0
    best = json.loads((here / "runs/cached/summary.json").read_text())["best"]
    assert f"loss {best['val_loss']:.4f}" in capsys.readouterr().out


def test_a_damaged_record_has_no_features_and_counts_nowhere(here, fit, make_petals):
    root = make_petals(here / "petals", train=120)
    path = next((root / "tfrecords-jpeg-32x32/train").glob("01-*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    flags = ["--data.augment=none", "--data.on_bad_record=skip"]
    fit("cached", *flags, data=root)
    fit("uncached", *flags, "--model.feature_cache=false", data=root)
    assert_same_scores(here / "runs/cached", here / "runs/uncached")
    for name in ("cached", "uncached"):
        assert len(json.loads((here / f"runs/{name}/summary.json").read_text())["data"]["bad_records"]["train"]) == 1


@pytest.mark.slow
def test_two_processes_share_the_pass(here, petals_root):
    """For real: each computes its half of the features, and the two swap them by gloo."""

    def fit(name, *flags):
        command = [sys.executable, "-m", "lightning_flowers", "fit", *TINY, f"--data.root={petals_root}"]
        done = subprocess.run(
            [*command, "--data.augment=none", "--model.dropout=0", f"--name={name}", *flags],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    out = fit("two", "--trainer.devices=2", "--trainer.strategy=ddp")
    assert out.count("train: features of 40 pictures computed once") == 1
    fit("one")
    assert_same_scores(here / "runs/one", here / "runs/two")
    assert_same_predictions(here / "runs/one", here / "runs/two")


def test_the_next_run_of_the_same_backbone_on_the_same_pictures_computes_none(here, fit, passes, petals_root):
    fit("first", "--data.augment=none")
    passes.clear()
    out = fit("other", "--data.augment=none", "--model.lr=0.02")
    assert not passes["pictures"]
    assert "features   train: features of 40 pictures, kept from an earlier run" in out
    fit("again", "--data.augment=none")
    assert_same_scores(here / "runs/first", here / "runs/again")
    assert_same_predictions(here / "runs/first", here / "runs/again")


@pytest.mark.parametrize("flag", ["--seed_everything=1", "--trainer.precision=bf16-mixed", "--model.feature_views=2"])
def test_other_weights_precision_or_views_compute_their_own(here, fit, passes, flag):
    fit("first", "--data.augment=flips", "--model.feature_views=1", "--trainer.max_epochs=1")
    passes.clear()
    fit("other", "--data.augment=flips", "--model.feature_views=1", "--trainer.max_epochs=1", flag)
    assert passes["pictures"]


def test_damaged_kept_features_are_computed_anew(here, fit, passes, own_features):
    fit("first", "--data.augment=none", "--trainer.max_epochs=1")
    for path in own_features.glob("features/*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    passes.clear()
    fit("other", "--data.augment=none", "--trainer.max_epochs=1")
    assert passes["pictures"] == 72
    assert_same_predictions(here / "runs/first", here / "runs/other")


def test_the_longest_unused_features_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "MAX_BYTES", 1000)
    for age, name in enumerate("cba"):
        path = tmp_path / f"{name}.safetensors"
        assert feature_store.save(path, {"values": torch.zeros(50)})
        os.utime(path, (1e9 - age, 1e9 - age))
    assert feature_store.save(tmp_path / "new.safetensors", {"values": torch.zeros(50)})
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == {"new", "c", "b"}


def test_a_backbone_whose_features_are_kept_is_not_compiled():
    model = FlowerClassifier("test_resnet", num_classes=4, weights="none", freeze_backbone=True, compile=True)
    model.on_train_batch_end(None, {"features": torch.zeros(8, 512)}, 0)
    assert model.compiles
