"""`lr_find`: a curve over rates, of training alone, and what it suggests."""

import math
from unittest.mock import MagicMock

import pytest
import torch
from PIL import Image
from pytorch_lightning.tuner.lr_finder import _LRCallback

from lightning_flowers import hardware
from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.lr_find.finding import smoothed, steepest
from lightning_flowers.model.classifier import FlowerClassifier

pytestmark = pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against")
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
    "--data.cache=none", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
]  # fmt: skip


def test_the_rate_is_where_the_loss_falls_fastest_on_a_log_scale():
    rates = [10 ** (-7 + 0.07 * step) for step in range(100)]
    losses = [4 / (1 + math.exp(3 * (math.log10(rate) + 3))) for rate in rates]  # down about 1e-3
    assert steepest(rates, losses) == pytest.approx(1e-3, rel=0.1)
    assert steepest(rates, [*losses[:-5], *[math.nan] * 5]) == pytest.approx(1e-3, rel=0.1)
    assert steepest(rates, [math.nan] * 100) is None


def test_the_mean_of_losses_that_are_alike_is_theirs():
    callback, trainer = _LRCallback(3), MagicMock(accumulate_grad_batches=1)
    for step in (1, 2, 3):
        trainer.global_step, trainer.fit_loop.batch_idx = step, step - 1
        callback.on_train_batch_end(trainer, MagicMock(), torch.tensor(4.0), None, step - 1)
    assert callback.losses[0] == pytest.approx(4.0 / 1.98)  # Lightning's
    assert smoothed(callback.losses) == pytest.approx([4.0] * 3)


def test_a_curve_and_a_rate_are_found_without_a_look_at_val(here, petals_root, capsys, monkeypatch):
    monkeypatch.setattr(FlowerClassifier, "validation_step", lambda *_: pytest.fail("val was looked at"))
    (here / "own.yaml").write_text("model: {layer_decay: 0.7, head_epochs: 1, ema_decay: 0.9, schedule: starter}")
    assert main(["lr_find", f"--data.root={petals_root}", "--config=own.yaml", *TINY, "--steps=25"]) == 0
    told = capsys.readouterr()
    assert "the config's head_epochs and layer_decay are left out of the test" in told.out
    said = dict(line.split(maxsplit=1) for line in told.out.splitlines() if line.startswith("lr "))
    assert "best initial lr" not in told.err  # a bar, of which a file would hold each step
    assert 1e-7 < float(said["lr"].partition(",")[0]) < 1
    assert {path.name for path in here.iterdir()} == {"own.yaml", "lr.png"}
    with Image.open(here / "lr.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--steps=5"], "--steps=5: must be 20 or more"),
        (["--out=nowhere/lr.png"], "--out=nowhere/lr.png: give a .png in a folder that is there"),
        (["--model.lr=0.1"], "lr_find: --model.lr: the test has a length and rates of its own: leave it out"),
        (["--resume=runs/x"], "lr_find: --resume: no run is made: leave it out"),
        (["--model.layer_decay=0.8"], "lr_find: --model.layer_decay: the test has one rate for all"),
        (["--model.wrong=1"], "unrecognized arguments: --model.wrong=1"),
    ],
)
def test_what_cannot_be_is_refused(here, petals_root, capsys, flags, said):
    assert main(["lr_find", f"--data.root={petals_root}", *TINY, *flags]) == MISUSED
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert err[0].startswith(f"lightning_flowers: {said}")
    assert not list(here.iterdir())


def test_no_curve_is_written_over(here, petals_root, capsys):
    (here / "mine.png").write_text("precious")
    assert main(["lr_find", f"--data.root={petals_root}", *TINY, "--out=mine.png"]) == MISUSED
    assert "--out=mine.png: is there already: choose another name, or remove it" in capsys.readouterr().err
    assert (here / "mine.png").read_text() == "precious"


def test_a_tpu_is_refused(here, petals_root, capsys, monkeypatch):
    monkeypatch.setattr(hardware, "choose_accelerator", lambda asked: "tpu")
    assert main(["lr_find", f"--data.root={petals_root}", *TINY]) == MISUSED
    assert "lr_find: reads the loss back at each step, which a TPU waits for" in capsys.readouterr().err
