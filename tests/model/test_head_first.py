"""The head alone first, then all."""

from typing import Any

import pytest
import torch
from pytorch_lightning import Callback

from lightning_flowers.__main__ import main
from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier

EPOCHS, STEPS = 3, 5  # of 8 records each


class Watch(Callback):
    """Keeps the backbone, before and after each epoch, and the rates of all steps."""

    def __init__(self):
        self.backbones, self.rates, self.modes = [], [], []

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.modes.append({module.training for module in pl_module.backbone.modules()})

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.backbones.append({name: tensor.clone() for name, tensor in pl_module.backbone.state_dict().items()})


def changed(a, b):
    return {name for name in a if not torch.equal(a[name], b[name])}


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_the_backbone_stays_for_the_head_s_epochs_and_is_trained_whole_after_them(fit_python, ema_decay):
    model = fit_python((watch := Watch(),), EPOCHS, head_epochs=2, ema_decay=ema_decay)
    start, *headed, whole = watch.backbones
    assert not any(changed(start, after) for after in headed)  # nor has BatchNorm counted a batch
    assert changed(start, whole) == start.keys()
    assert watch.modes == [{False}] * 2 * STEPS + [{True}] * STEPS
    end = model.backbone.state_dict()
    assert len(changed(start, end)) == len(start)  # the average is of all of it
    assert bool(ema_decay) == bool(changed(whole, end))


def test_each_phase_warms_up_and_ends_by_itself(fit_python):
    fit_python((watch := Watch(),), EPOCHS, head_epochs=1)
    head, all_of_it = watch.rates[:STEPS], watch.rates[STEPS:]
    for rates, warm in ((head, 2), (all_of_it, 5)):  # an epoch, or half of the phase
        assert rates[0] == pytest.approx(0.01 / (warm + 1))
        assert max(rates) == rates[warm] == 0.01
        assert rates[-1] < 0.004


def test_a_run_that_ends_with_the_head_is_refused(fit_python):
    with pytest.raises(UserError, match=r"head_epochs=3: leaves nothing of the run for the backbone: give fewer"):
        fit_python(epochs=EPOCHS, head_epochs=3)


def test_a_fast_dev_run_tries_the_head_alone(petals_root):
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.cache=none"]
    quick = ["--trainer.accelerator=cpu", "--trainer.fast_dev_run=1", "--model.head_epochs=1"]
    assert main(["fit", *flags, *quick, f"--data.root={petals_root}"]) == 0


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"head_epochs": -1}, r"must be 0 \(none\) or more"), ({"head_epochs": 1, "schedule": "starter"}, "cosine")],
)
def test_what_cannot_be_is_named(settings, why):
    with pytest.raises(UserError, match=rf"--model\.head_epochs=.*{why}"):
        FlowerClassifier("test_resnet", num_classes=4, weights="none", **settings)
