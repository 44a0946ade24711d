"""A batch in parts: as the whole one in all that is learnt, whatever memory there is."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from pytorch_lightning import Callback, LightningDataModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.batch import Batch
from lightning_flowers.errors import UserError
from lightning_flowers.model import attaching
from lightning_flowers.model.classifier import FlowerClassifier
from tests.limited_memory import LimitedMemory

PLAIN, NORMED = "test_convnext", "test_resnet"  # without BatchNorm, and with it
QUIET = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
    "enable_model_summary": False,
}


def batch_of(seed, real=8, size=8):
    """Pictures of 4 classes, the first so many of them no padding."""
    random = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (size, 3, 32, 32), dtype=torch.uint8, generator=random)
    mask = torch.arange(size) < real
    label = torch.where(mask, torch.randint(0, 4, (size,), generator=random), -1)
    return Batch(image=image, label=label, index=torch.arange(size), mask=mask)


class Loader:
    """An iterable that is no list, which Lightning would take for several loaders."""

    def __init__(self, batches):
        self._batches = batches

    def __iter__(self):
        return iter(self._batches)

    def __len__(self):
        return len(self._batches)


class Batches(LightningDataModule):
    """Four batches of 8, the last with 3 real records."""

    def __init__(self, micro_batch=None):
        super().__init__()
        self.micro_batch = micro_batch

    def train_dataloader(self):
        return Loader((batch_of(0), batch_of(1), batch_of(2), batch_of(3, real=3)))

    val_dataloader = train_dataloader


class Watch(Callback):
    """Keeps the gradients of each step, and what was counted."""

    def __init__(self, at=lambda batch_idx: None):
        self.steps, self._at = [], at

    def on_train_batch_start(self, trainer, model, batch, batch_idx):
        self._at(batch_idx)

    def on_before_optimizer_step(self, trainer, model, optimizer):
        self.steps.append([parameter.grad.clone() for parameter in model.parameters()])

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        self.counted = {name: tensor.clone() for name, tensor in model.train_counts.named_buffers()}


@pytest.fixture
def learn():
    """`learn(micro_batch, backbone, ...)`: train for an epoch; gives the model, the watch and the lines that were said."""

    def learn(micro_batch=None, backbone=PLAIN, accumulate=1, at=lambda batch_idx: None, **model):
        torch.manual_seed(1)
        model = FlowerClassifier(backbone, 4, "none", lr=1e-9, **model)
        lines: list[str] = []
        model.say = lambda heading, line: lines.append(f"{heading}: {line}")
        watch = Watch(at)
        trainer: Any = Trainer(
            **QUIET, max_epochs=1, limit_val_batches=0, accumulate_grad_batches=accumulate, callbacks=[watch]
        )
        trainer.fit(model, datamodule=Batches(micro_batch))
        return model, watch, lines

    return learn


@pytest.fixture
def fills(monkeypatch):
    """The CPU is a device that says when it is full."""
    monkeypatch.setattr(hardware, "runs_out", lambda device: True)


@pytest.fixture(scope="module")
def peaks():
    """`peaks(size, ...)`: the bytes that training takes with so many pictures at a time."""
    return {}


def peak_of(learn, size, **settings):
    with LimitedMemory() as memory:
        learn(size, **settings)
    return memory.peak


def same(one, other):
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"mixup": 0.5, "cutmix": 1.0}, {"freeze_backbone": True}])
@pytest.mark.parametrize("size", [1, 4])
def test_gradients_and_scores_are_those_of_the_whole_batch(learn, size, settings):
    if settings.get("freeze_backbone"):
        pytest.skip("the head alone has gradients: below")
    whole, parts = learn(None, **settings)[1], learn(size, **settings)[1]
    assert len(whole.steps) == len(parts.steps) == 4 // settings.get("accumulate", 1)
    for one, other in zip(whole.steps, parts.steps, strict=True):
        for wanted, found in zip(one, other, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)
    assert torch.equal(parts.counted["confusion"], whole.counted["confusion"])
    torch.testing.assert_close(parts.counted["loss"], whole.counted["loss"])
