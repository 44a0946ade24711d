"""The head alone first, then all."""

import warnings
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier

EPOCHS, STEPS = 3, 5  # of 8 records each


class Watch(Callback):
    """Keeps the backbone after each epoch, and the rates of all steps."""

    def __init__(self):
        self.backbones, self.rates, self.modes = [], [], []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.modes.append({module.training for module in pl_module.backbone.modules()})

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.backbones.append({name: tensor.clone() for name, tensor in pl_module.backbone.state_dict().items()})


def fit(petals_root, tmp_path, max_epochs=EPOCHS, **settings):
    data = PetalsDataModule(root=str(petals_root), batch_size=8, threads=1, cache="none", augment="none")
    model = FlowerClassifier("test_resnet", num_classes=4, weights="none", lr=0.01, **settings)
    start = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    watch = Watch()
    quiet: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = Trainer(
        max_epochs=max_epochs, accelerator="cpu", callbacks=[watch], default_root_dir=tmp_path, **quiet,
        enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, data)
    return model, start, watch


def changed(a, b):
    return {name for name in a if not torch.equal(a[name], b[name])}


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_the_backbone_stays_for_the_head_s_epochs_and_is_trained_whole_after_them(petals_root, tmp_path, ema_decay):
    model, start, watch = fit(petals_root, tmp_path, head_epochs=2, ema_decay=ema_decay)
    assert not changed(start, watch.backbones[0])
    assert not changed(start, watch.backbones[1])  # nor has BatchNorm counted a batch
    assert changed(start, watch.backbones[2]) == start.keys()
    assert watch.modes == [{False}] * 2 * STEPS + [{True}] * STEPS
    end = model.backbone.state_dict()
    assert len(changed(start, end)) == len(start)  # the average is of all of it
    assert bool(ema_decay) == bool(changed(watch.backbones[2], end))


def test_each_phase_warms_up_and_ends_by_itself(petals_root, tmp_path):
    _, _, watch = fit(petals_root, tmp_path, head_epochs=1)
    head, all_of_it = watch.rates[:STEPS], watch.rates[STEPS:]
    for rates, warm in ((head, 2), (all_of_it, 5)):  # an epoch, or half of the phase
        assert rates[0] == pytest.approx(0.01 / (warm + 1))
        assert max(rates) == rates[warm] == 0.01
        assert rates[-1] < 0.004


def test_a_run_that_ends_with_the_head_is_refused(petals_root, tmp_path):
    with pytest.raises(UserError, match=r"head_epochs=3: leaves nothing of the run for the backbone: give fewer"):
        fit(petals_root, tmp_path, head_epochs=3)


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"head_epochs": -1}, r"must be 0 \(none\) or more"), ({"head_epochs": 1, "schedule": "starter"}, "cosine")],
)
def test_what_cannot_be_is_named(settings, why):
    with pytest.raises(UserError, match=rf"--model\.head_epochs=.*{why}"):
        FlowerClassifier("test_resnet", num_classes=4, weights="none", **settings)
