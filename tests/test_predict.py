"""What `predict` does beyond one look at each picture: views, decisions, other folders; whole commands on tiny data."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.sources.competition import competition_classes
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.predictions import Predictions

CPU = ["--report=false", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--data.threads=2"]


@pytest.fixture(scope="module")
def petals(tmp_path_factory, make_petals):
    """Few pictures of rare classes: what a decision for macro F1 is about."""
    return make_petals(tmp_path_factory.mktemp("petals") / "petals", size=96, val=30, test=11)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, petals):
    folder = tmp_path_factory.mktemp("fitted")
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--trainer.max_epochs=1"]
    assert main(["fit", *flags, *CPU, f"--data.root={petals}", f"--runs_dir={folder}", "--name=tiny"]) == 0
    return folder / "tiny"


@pytest.fixture
def a_run(fitted, tmp_path):
    return shutil.copytree(fitted, tmp_path / "tiny")


def predict(run, *flags):
    return main(["predict", f"--run={run}", *CPU, *flags])


def load(folder, split="val"):
    return Predictions.load(Path(folder) / f"predictions/{split}.npz")


def submitted(folder):
    lines = (Path(folder) / "submission.csv").read_text().splitlines()
    return {row["id"]: int(row["label"]) for row in csv.DictReader(lines)}


def test_a_run_predicts_pictures_of_another_size_than_it_was_trained_on(a_run, make_petals, tmp_path):
    larger = make_petals(tmp_path / "larger", size=128, train=4, val=6, test=3)
    assert predict(a_run, f"--data.root={larger}", "--data.size=128", f"--out={tmp_path / 'out'}") == 0
    model = FlowerClassifier.load_from_checkpoint(a_run / "checkpoints/best.ckpt").eval()
    pictures = np.stack([picture for picture, *_ in open_split(larger / "tfrecords-jpeg-128x128/val", 128, 4, True)])
    with torch.no_grad():
        wanted = model(torch.from_numpy(pictures).permute(0, 3, 1, 2)).softmax(1)
    assert pictures.shape == (6, 128, 128, 3)
    np.testing.assert_allclose(load(tmp_path / "out").probabilities, wanted, atol=1e-5)


def test_flips_are_the_mean_of_a_picture_and_its_mirror_image(a_run, petals, tmp_path):
    assert predict(a_run, "--tta=flips", f"--out={tmp_path / 'flips'}") == 0
    model = FlowerClassifier("test_resnet", 4, weights="none").eval()
    model.load_state_dict(torch.load(a_run / "checkpoints/best.ckpt", weights_only=True)["state_dict"])
    split = open_split(petals / "tfrecords-jpeg-96x96/val", 96, 4, True)
    pictures = np.empty((len(split), 96, 96, 3), np.uint8)
    for position, picture in enumerate(pictures):
        decode_into(split.image_bytes(position), picture)
    image = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = (model(image).softmax(1) + model(image.flip(3)).softmax(1)) / 2
    found = load(tmp_path / "flips")
    assert found.ids.tolist() == split.ids.tolist()
    np.testing.assert_allclose(found.probabilities, wanted.numpy(), atol=1e-5)
    assert np.abs(found.probabilities - load(a_run).probabilities).max() > 1e-4


def test_eight_views_predict_every_record_once(a_run, tmp_path):
    assert predict(a_run, "--tta=dihedral", f"--out={tmp_path / 'out'}") == 0
    for split in ("val", "test"):
        found, plain = load(tmp_path / "out", split), load(a_run, split)
        assert found.ids.tolist() == plain.ids.tolist()
        assert found.probabilities.dtype == np.float32
        np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-5)
        assert np.abs(found.probabilities - plain.probabilities).max() > 1e-4
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["predictions"]["tta"] == "dihedral"
    assert main(["compare", str(tmp_path / "out")]) == 0


def test_scores_that_are_said_and_kept_are_scikit_learns(a_run, capsys):
    assert predict(a_run, "--tta=flips") == 0
    val = load(a_run)
    assert val.labels is not None
    guessed = val.probabilities.argmax(1)
    wanted = f1_score(val.labels, guessed, average="macro", labels=range(4), zero_division=0)  # pyright: ignore[reportArgumentType]
    kept = json.loads((a_run / "summary.json").read_text())["predictions"]
    assert kept["val"]["macro_f1"] == pytest.approx(wanted, abs=1e-9)
    assert kept["val"]["accuracy"] == pytest.approx((guessed == val.labels).mean())
    loss = -np.log(val.probabilities[np.arange(30), val.labels].astype(np.float64)).mean()
    assert kept["val"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert f"macro F1 {wanted:.4f} over all classes" in capsys.readouterr().out


def test_an_adjusted_decision_is_fitted_on_val_and_answers_on_test(a_run, capsys):
    assert predict(a_run, "--decision=adjusted") == 0
    val, test = load(a_run), load(a_run, "test")
    kept = json.loads((a_run / "summary.json").read_text())["predictions"]["adjustment"]
    assert val.labels is not None
    counts = np.bincount(val.labels, minlength=4) + 1
    prior = np.log(counts / counts.sum())

    def decide(probabilities):
        return (np.log(probabilities.astype(np.float64)) - kept["tau"] * prior).argmax(1)

    assert submitted(a_run) == dict(zip(test.ids.tolist(), decide(test.probabilities).tolist(), strict=True))
    wanted = f1_score(val.labels, decide(val.probabilities), average="macro", labels=range(4), zero_division=0)  # pyright: ignore[reportArgumentType]
    assert kept["in_sample"] == pytest.approx(wanted, abs=1e-9)
    assert kept["in_sample"] >= kept["plain"]
    assert f"{kept['cross_validated']:.4f} cross-validated" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:Total length of .list. across ranks is zero")
def test_a_decision_needs_val(tmp_path, petals, capsys):
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--trainer.max_epochs=1"]
    where = [f"--data.root={petals}", f"--runs_dir={tmp_path}", "--name=all", "--data.train_on=train+val"]
    assert main(["fit", *flags, *CPU, *where]) == 0
    only_test = tmp_path / "only-test"
    shutil.copytree(petals / "tfrecords-jpeg-96x96/test", only_test / "tfrecords-jpeg-96x96/test")
    shutil.copyfile(petals / "classes.txt", only_test / "classes.txt")
    capsys.readouterr()
    status = predict(tmp_path / "all", f"--data.root={only_test}", f"--out={tmp_path / 'o'}", "--decision=adjusted")
    err = capsys.readouterr().err
    assert status == MISUSED
    assert "--decision=adjusted" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_another_runs_folder_is_not_overwritten(a_run, fitted, tmp_path, capsys):
    other = shutil.copytree(fitted, tmp_path / "other")
    before = (other / "submission.csv").read_bytes(), (other / "predictions/val.npz").read_bytes()
    assert predict(a_run, "--tta=flips", f"--out={other}") == MISUSED
    assert "holds another run" in capsys.readouterr().err
    assert ((other / "submission.csv").read_bytes(), (other / "predictions/val.npz").read_bytes()) == before


def test_an_unknown_kind_of_views_is_one_line(a_run, capsys):
    assert predict(a_run, "--tta=rotations") == MISUSED
    err = capsys.readouterr().err
    assert "tta" in err
    assert "flips" in err
    assert len(err.splitlines()) == 1


def test_the_kaggle_command_is_said_for_the_competitions_classes(tmp_path, make_petals, capsys):
    root = make_petals(tmp_path / "tpu-getting-started", train=8, val=8, test=4, shards=1)
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in competition_classes()))
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--trainer.max_epochs=1"]
    assert main(["fit", *flags, *CPU, f"--data.root={root}", f"--runs_dir={tmp_path / 'runs'}"]) == 0
    path = tmp_path / "runs/test_resnet/submission.csv"
    said = f"send it    kaggle competitions submit tpu-getting-started -f {path} -m test_resnet"
    assert said in capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_views_of_two_processes_are_those_of_one(a_run, tmp_path):
    """For real: each process predicts its half of each batch, and the halves are put together by index."""
    for out, devices in (("one", []), ("two", ["--trainer.devices=2", "--trainer.strategy=ddp"])):
        flags = [f"--run={a_run}", *CPU, "--tta=dihedral", f"--out={tmp_path / out}", *devices]
        command = [sys.executable, "-m", "lightning_flowers", "predict", *flags]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    for split in ("val", "test"):
        one, two = (load(tmp_path / out, split) for out in ("one", "two"))
        assert one.ids.tolist() == two.ids.tolist()
        np.testing.assert_allclose(two.probabilities, one.probabilities, atol=1e-5)
    assert submitted(tmp_path / "one") == submitted(tmp_path / "two")
