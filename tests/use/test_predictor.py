"""A loaded run answers as `predict` did, whatever pictures are given as."""

import csv
import io
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import lightning_flowers
from lightning_flowers import PictureError
from lightning_flowers.__main__ import main
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.calibration import fit_temperature, soften
from lightning_flowers.run.prediction_folder import find_origin
from lightning_flowers.run.predictions import Predictions

from ..conftest import fit_tiny, predict_tiny


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return load(tiny_run)


def load(run, **settings):
    return lightning_flowers.load(run, accelerator="cpu", **settings)


def loose(root, split):
    """The pictures of a split as files' contents."""
    opened = open_split(root / "tfrecords-jpeg-64x64" / split, 64, 4, labelled=split != "test")
    return [bytes(opened.image_bytes(position)) for position in range(len(opened))]


def saved(run, split="val"):
    return Predictions.load(run / f"predictions/{split}.npz")


@pytest.mark.parametrize("split", ["val", "test"])
def test_each_picture_of_a_split_gets_the_answer_that_predict_gave(predictor, tiny_root, tiny_run, split):
    found = predictor.probabilities(loose(tiny_root, split), batch_size=4, calibrated=False)
    np.testing.assert_allclose(found, saved(tiny_run, split).probabilities, atol=1e-5)
    assert found.dtype == np.float32


def test_probabilities_are_calibrated_on_val(predictor, tiny_root, tiny_run):
    val = saved(tiny_run)
    assert val.labels is not None
    temperature = fit_temperature(val.probabilities, val.labels)
    found = predictor.probabilities(loose(tiny_root, "val"))
    assert predictor.calibrated
    assert predictor.temperature == temperature != 1
    np.testing.assert_allclose(found, soften(val.probabilities, temperature), atol=1e-5)


def test_a_picture_is_taken_in_any_form(predictor, tiny_root, tmp_path):
    encoded = loose(tiny_root, "val")[0]
    (tmp_path / "0.jpg").write_bytes(encoded)
    pixels = predictor.read(encoded)
    forms = [encoded, tmp_path / "0.jpg", str(tmp_path / "0.jpg"), io.BytesIO(encoded), pixels, Image.fromarray(pixels)]
    found = predictor.probabilities(forms)
    np.testing.assert_allclose(found, np.repeat(found[:1], len(forms), 0), atol=1e-6)
    assert predictor.probabilities([]).shape == (0, 4)


def test_the_answer_stands_first_and_the_others_by_their_probability(predictor, tiny_root):
    pictures = loose(tiny_root, "val")
    probabilities = predictor.probabilities(pictures)
    for guesses, row in zip(predictor.classify(pictures, top=3), probabilities, strict=True):
        assert [guess.probability for guess in guesses] == sorted(row.tolist(), reverse=True)[:3]
        assert [guess.name for guess in guesses] == [predictor.classes[guess.label] for guess in guesses]


def test_views_and_decision_are_those_of_the_runs_predictions(tiny_run, tiny_root, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "tiny")
    predict_tiny(run, "--tta=flips", "--decision=adjusted")
    test = loose(tiny_root, "test")
    adjusted = load(run, decision="adjusted")
    found = adjusted.probabilities(test)
    np.testing.assert_allclose(
        adjusted.probabilities(test, calibrated=False), saved(run, "test").probabilities, atol=1e-5
    )
    rows = list(csv.DictReader((run / "predictions/test.csv").read_text().splitlines()))
    assert adjusted.decide(found).tolist() == [int(row["label"]) for row in rows]
    assert [guesses[0].name for guesses in adjusted.guesses(found)] == [row["name"] for row in rows]
    once = load(run, tta="none").probabilities(test, calibrated=False)
    np.testing.assert_allclose(once, saved(tiny_run, "test").probabilities, atol=1e-5)


@pytest.mark.parametrize("mistyped", [{"decision": "adjust"}, {"tta": "flip"}])
def test_views_and_decisions_that_there_are_not_are_refused(tiny_run, mistyped):
    with pytest.raises(UserError, match=r"(decision=adjust|tta=flip): must be one of"):
        load(tiny_run, **mistyped)


@pytest.fixture(scope="module")
def blend(tiny_run, tiny_root, tmp_path_factory, make_petals):
    """Of the tiny run and one whose classes stand in another order."""
    folder = tmp_path_factory.mktemp("blend")
    other = shutil.copytree(tiny_root, folder / "petals")
    (other / "classes.txt").write_text("flower 1\nflower 0\nflower 3\nflower 2\n", "utf-8")
    second = fit_tiny(folder, other, "second", "--seed_everything=1")
    (other / "classes.txt").write_text((tiny_root / "classes.txt").read_text())
    predict_tiny(second, f"--data.root={tiny_root}", f"--out={folder / 'mapped'}")
    args = ["ensemble", tiny_run, folder / "mapped", "--method=geometric", "--weights=0.3,0.7", f"--runs_dir={folder}"]
    assert main([str(arg) for arg in args]) == 0
    return folder / "ensemble"


def test_a_blend_asks_all_its_members(blend, tiny_root):
    loaded = load(blend)
    assert [round(member.weight, 6) for member in loaded.members] in ([0.3, 0.7], [0.7, 0.3])
    found = loaded.probabilities(loose(tiny_root, "val"), calibrated=False)
    np.testing.assert_allclose(found, saved(blend).probabilities, atol=1e-5)
    assert (loaded.classes, loaded.method) == (tuple(f"flower {label}" for label in range(4)), "geometric")
    assert loaded.temperature != 1
    rows = list(csv.DictReader((blend / "predictions/val.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == [loaded.classes[label] for label in found.argmax(1)]


def test_members_of_smaller_pictures_get_them_shrunk(predictor, tiny_root):
    member = replace(predictor.members[0], weight=0.5)
    two = replace(predictor, members=(member, replace(member, size_px=48)))
    pixels = np.stack([two.read(picture) for picture in loose(tiny_root, "val")])
    assert pixels.shape[1:] == (64, 64, 3)
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    shrunk = F.interpolate(image.float(), (48, 48), mode="bilinear", antialias=True)
    wanted = torch.stack([member.model(image), member.model(shrunk)]).softmax(2).mean(0).numpy()
    np.testing.assert_allclose(two.probabilities_of(pixels, calibrated=False), wanted, atol=1e-5)


def test_runs_that_were_moved_together_find_each_other(tiny_run):
    assert find_origin(Path("/moved/away/tiny"), tiny_run.parent).checkpoint == tiny_run / "checkpoints/best.ckpt"


def test_without_val_predictions_nothing_is_calibrated(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "tiny")
    (run / "predictions/val.npz").unlink()
    assert not load(run).calibrated
    with pytest.raises(UserError, match="fitted on val"):
        load(run, decision="adjusted")


def train_on(run):
    """Give a run the checkpoint of a later epoch."""
    best = run / "checkpoints/best.ckpt"
    torch.save({**torch.load(best, weights_only=True), "epoch": 7}, best)


def test_predictions_of_earlier_weights_calibrate_nothing_until_they_are_made_anew(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "tiny")
    train_on(run)
    with pytest.warns(UserWarning, match="tiny: has other weights .* not calibrated"):
        assert not load(run).calibrated
    predict_tiny(run)
    assert load(run).calibrated


@pytest.mark.filterwarnings("default:.* other weights:UserWarning")
def test_a_blend_tells_of_a_member_that_is_no_longer_the_same(tiny_run, tmp_path, capsys):
    runs = [shutil.copytree(tiny_run, tmp_path / name) for name in ("a", "b")]
    main(["ensemble", *map(str, runs), f"--runs_dir={tmp_path}", "--name=ab"])
    assert load(tmp_path / "ab").calibrated
    train_on(runs[1])
    with pytest.warns(UserWarning, match="b: has other weights .* until the blend is made anew"):
        assert not load(tmp_path / "ab").calibrated
    capsys.readouterr()
    assert main(["ensemble", *map(str, runs), f"--runs_dir={tmp_path}"]) == 0
    assert f"warning: {runs[1]}: its predictions, and a submission of them" in capsys.readouterr().err
    shutil.rmtree(runs[1])
    with pytest.raises(UserError, match=r"ab: needs the runs that it blends: .*b: no such folder"):
        load(tmp_path / "ab")


def test_classes_are_in_the_order_of_the_predictions_that_the_decision_is_fitted_on(tiny_run, tiny_root, tmp_path):
    other = shutil.copytree(tiny_root, tmp_path / "petals")
    names = (other / "classes.txt").read_text().split("\n")[:-1]
    (other / "classes.txt").write_text("".join(f"{name}\n" for name in reversed(names)))
    predict_tiny(tiny_run, f"--data.root={other}", f"--out={tmp_path / 'out'}")
    assert load(tmp_path / "out", decision="adjusted").classes == tuple(reversed(names))
    found = load(tmp_path / "out").probabilities(loose(other, "val"), calibrated=False)
    np.testing.assert_allclose(found, saved(tmp_path / "out").probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"tta": "x"}, "must be one of"), ({"accelerator": "abacus"}, "must be auto, cpu, cuda or tpu")],
)
def test_settings_that_cannot_be_are_told(tiny_run, settings, why):
    with pytest.raises(UserError, match=why):
        lightning_flowers.load(tiny_run, **settings)


def test_what_is_no_picture_is_named(predictor, tiny_root, tmp_path):
    (tmp_path / "note.jpg").write_text("no picture")
    with pytest.raises(PictureError, match=r"note\.jpg: is no picture of a known format$"):
        predictor.probabilities([*loose(tiny_root, "val")[:2], tmp_path / "note.jpg"])
    with pytest.raises(PictureError, match="picture 1: is an array float64"):
        predictor.probabilities([loose(tiny_root, "val")[0], np.zeros((8, 8, 3))])
    pixels = np.zeros((8, 8, 3), np.uint8)
    for one, named in (("rose.jpg", "'rose"), (pixels, r"array\("), (Image.fromarray(pixels), "<PIL"), (None, "None")):
        with pytest.raises(PictureError, match=f"^{named}.*: give a list of pictures, with this one in it$"):
            predictor.classify(one)
    with pytest.raises(PictureError, match=r"^picture 0: is a Tensor: give a path, bytes, a file, Pillow's or"):
        predictor.classify([torch.zeros(3, 8, 8, dtype=torch.uint8)])


def test_the_package_itself_is_light():
    code = "import sys, lightning_flowers; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
