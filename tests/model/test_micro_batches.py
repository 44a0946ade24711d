"""A batch in parts: as the whole one in all that is learnt, whatever memory there is."""

from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningDataModule, Trainer
from pytorch_lightning.callbacks import LambdaCallback

from lightning_flowers import hardware
from lightning_flowers.batch import Batch
from lightning_flowers.errors import UserError
from lightning_flowers.hardware import host
from lightning_flowers.model import attaching
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.losses import TrainingLoss
from tests.limited_memory import LimitedMemory

PLAIN, NORMED = "test_efficientnet_ln", "test_efficientnet"  # without BatchNorm, and with it
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def batch_of(seed, real=8, size=8):
    """Pictures of 4 classes, the first so many of them no padding."""
    random = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (size, 3, 64, 64), dtype=torch.uint8, generator=random)
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


class Halves(Batches):
    """Of each batch the part that is a process's."""

    def train_dataloader(self):
        trainer: Any = self.trainer
        rank, whole = trainer.global_rank, super().train_dataloader()
        return Loader([{name: tensor[4 * rank :][:4] for name, tensor in batch.items()} for batch in whole])


def nothing(batch_idx, model):
    pass


class Watch(Callback):
    """Keeps the gradients of each step, and what was counted."""

    def __init__(self, at=nothing):
        self.steps, self._at = [], at

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self._at(batch_idx, pl_module)

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        gradients: Any = [parameter.grad for parameter in pl_module.parameters()]
        self.steps.append([gradient.numpy().copy() for gradient in gradients])  # no tensors: they would take memory

    def on_train_batch_end(self, trainer, pl_module: Any, outputs, batch, batch_idx):
        self.counted = {name: tensor.clone() for name, tensor in pl_module.train_counts.named_buffers()}


class SecondIsFull(Watch):
    """The second process has no room for two pictures in its third batch; the first one's gradients go to a file."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_rank == 1 and batch_idx == 2:
            pl_module.part_loss = partial(_of_one, pl_module.part_loss)

    def on_train_end(self, trainer, pl_module):
        sizes = hardware.gather(pl_module.micro_batches.size)
        if trainer.is_global_zero:
            torch.save([self.steps, sizes], self._path)


def _of_one(loss, part, records):
    if len(part["mask"]) > 1:
        raise torch.OutOfMemoryError("CUDA out of memory.")
    return loss(part, records)


@pytest.fixture
def learn():
    """`learn(micro_batch, ...)`: train for an epoch; gives the model, the watch and the lines that were said."""

    def learn(micro_batch=None, accumulate=1, memory=None, at=nothing, **settings):
        torch.manual_seed(1)
        fixed = {"backbone": PLAIN, "num_classes": 4, "weights": "none", "lr": 1e-9, "grad_checkpointing": False}
        model = FlowerClassifier(**fixed | settings)
        lines: list[str] = []
        model.say = lambda heading, line: lines.append(f"{heading}: {line}")
        watch = Watch(at)
        trainer: Any = Trainer(
            **QUIET, max_epochs=1, limit_val_batches=0, accumulate_grad_batches=accumulate, callbacks=[watch]
        )
        with memory or nullcontext():
            trainer.fit(model, datamodule=Batches(micro_batch))
        return model, watch, lines

    return learn


@pytest.fixture
def fills(monkeypatch):
    """The CPU is a device that says when it is full."""
    monkeypatch.setattr(hardware, "runs_out", lambda device: True)


def peak_of(learn, size, **settings):
    """The most bytes that training takes with so many pictures at a time, and 1 % for numbers beside them."""
    memory = LimitedMemory()
    learn(size, memory=memory, **settings)
    return 1.01 * memory.peak


def close(steps, others):
    for one, other in zip(steps, others, strict=True):
        for found, wanted in zip(one, other, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


def same(one, other):
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


@pytest.mark.parametrize(
    ("size", "settings"), [(4, {}), (1, {"accumulate": 2}), (2, {"mixup": 0.5, "cutmix": 1.0, "accumulate": 3})]
)
def test_gradients_and_scores_are_those_of_the_whole_batch(learn, size, settings):
    whole, parts = learn(None, **settings)[1], learn(size, **settings)[1]
    assert len(whole.steps) == len(parts.steps) == -(-4 // settings.get("accumulate", 1))
    close(parts.steps, whole.steps)
    assert torch.equal(parts.counted["confusion"], whole.counted["confusion"])
    torch.testing.assert_close(parts.counted["loss"], whole.counted["loss"])


def test_the_largest_part_that_fits_is_found_and_the_run_is_as_if_it_had_been_given(learn, fills):
    settings = {"backbone": NORMED, "dropout": 0.3, "lr": 1e-2}
    memory = LimitedMemory(peak_of(learn, 4, **settings))
    found, watch, lines = learn(memory=memory, **settings)
    assert memory.failures == 1
    assert found.micro_batches.size == 4
    assert lines == ["memory: micro-batches of 4: gradients are of all 8 pictures, BatchNorm's statistics of 4"]
    given, _, _ = learn(4, **settings)
    same(found, given)
    assert watch.counted["confusion"].sum() == 8 + 8 + 8 + 3


def test_a_batch_that_fits_is_not_cut(learn, fills):
    found, _, lines = learn(None, backbone=NORMED)
    assert found.micro_batches.size is None
    assert not lines
    same(found, learn(None, backbone=NORMED)[0])


def test_out_of_memory_later_the_same_batch_is_done_again_in_smaller_parts(learn, fills):
    at_2 = peak_of(learn, 2, accumulate=2)
    memory = LimitedMemory()

    def shrink(batch_idx, model):  # the second batch of the second step: gradients of its first are there
        memory.limit = at_2 if batch_idx == 3 else float("inf")

    cut, watch, lines = learn(accumulate=2, at=shrink, memory=memory)
    assert memory.failures == 2
    assert [line.partition(":")[2].partition(": g")[0] for line in lines] == [
        " out of memory in epoch 1: micro-batches of 4",
        " out of memory in epoch 1: micro-batches of 2",
    ]
    assert cut.micro_batches.size == 2
    _, whole, _ = learn(None, accumulate=2)
    close(watch.steps, whole.steps)
    assert torch.equal(watch.counted["confusion"], whole.counted["confusion"])


def test_of_a_try_that_failed_in_its_backward_pass_nothing_is_left(learn, fills):
    memory = LimitedMemory()
    begun: list[int] = []

    def fail(batch_idx, model):  # in the second batch of the second step, of as many operations as the one before
        begun.append(memory.operations)
        if batch_idx == 3:
            memory.fails_at = memory.operations + (begun[3] - begun[2]) * 7 // 10

    def know(batch_idx, model):
        model.micro_batches.size = 4 if batch_idx == 3 else None

    settings = {"accumulate": 2, "backbone": NORMED, "dropout": 0.3}
    cut, watch, _ = learn(at=fail, memory=memory, **settings)
    assert (memory.failures, cut.micro_batches.size) == (1, 4)
    known, other, _ = learn(at=know, **settings)
    same(cut, known)
    close(watch.steps, other.steps)
    assert torch.equal(watch.counted["confusion"], other.counted["confusion"])


def test_one_picture_that_does_not_fit_is_an_error_that_says_what_to_do(learn, fills):
    with pytest.raises(UserError, match=r"--data.size: not even one picture at a time fits into memory: CUDA out of"):
        learn(memory=LimitedMemory(1.2e6))


def test_another_error_is_not_taken_for_one_of_memory(learn, fills, monkeypatch):
    monkeypatch.setattr(TrainingLoss, "forward", lambda *_: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(RuntimeError, match="must match the size"):
        learn()


def test_checkpointing_is_turned_on_where_it_keeps_parts_large(learn, fills):
    limit = peak_of(learn, 8, grad_checkpointing=True)
    assert limit < peak_of(learn, 8)
    found, _, lines = learn(memory=LimitedMemory(limit), grad_checkpointing="auto")
    assert found.micro_batches.size is None
    assert lines[0].startswith("memory: micro-batches of 8, with gradient checkpointing: gradients")
    found, _, lines = learn(memory=LimitedMemory(limit))
    assert found.micro_batches.size == 4


def test_a_model_without_checkpointing_refuses_it_by_name():
    with pytest.raises(UserError, match=r"--model.grad_checkpointing=true: timm has none for xception: leave it out"):
        FlowerClassifier("xception", 4, "none", grad_checkpointing=True)


@pytest.mark.slow
def test_one_of_two_processes_that_runs_out_of_memory_does_not_hold_up_the_other(learn, tmp_path):
    torch.manual_seed(1)
    model = FlowerClassifier(PLAIN, 4, "none", lr=1e-9)
    watch = SecondIsFull(tmp_path / "steps.pt")
    trainer: Any = Trainer(
        **QUIET, devices=2, strategy="ddp_spawn", max_epochs=1, limit_val_batches=0, accumulate_grad_batches=2,
        callbacks=[watch],
    )  # fmt: skip
    trainer.fit(model, datamodule=Halves(2))
    steps, sizes = torch.load(tmp_path / "steps.pt", weights_only=False)
    assert sizes == [2, 1]
    close(steps, learn(None, accumulate=2)[1].steps)


def test_what_is_scored_is_cut_likewise():
    model = FlowerClassifier(PLAIN, 4, "none").eval()
    batch = batch_of(0)
    with torch.no_grad():
        wanted = model.predict_step(batch, 0)["probabilities"]
        with LimitedMemory() as memory:
            model(batch["image"][:2])
        with LimitedMemory(1.2 * memory.peak):  # and for the answers
            found = model.predict_step(batch, 0)["probabilities"]
    assert model.micro_batches.size == 2
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"size": 4}, "--data.micro_batch=4"),
        ({"compiles": True}, "--model.compile=true"),
        ({"grad_checkpointing": True}, "--model.grad_checkpointing=true"),
    ],
)
def test_a_tpu_takes_batches_whole(settings, flag):
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("xla:0")))
    model = SimpleNamespace(**{"grad_checkpointing": "auto", "compiles": False} | settings)
    with pytest.raises(UserError, match=rf"{flag}: a TPU's step is one graph.*--trainer.accumulate_grad_batches"):
        attaching._check_device(cast(Any, model), cast(Any, trainer), settings.get("size"))


def test_compiled_there_is_one_graph_to_train_and_one_to_score(monkeypatch):
    monkeypatch.setattr(host, "COMPILER", "eager")
    counters, epochs = torch._dynamo.utils.counters, []
    model = FlowerClassifier(NORMED, 4, "none", compile=True, ema_decay=0.9)
    names = list(model.state_dict())
    count = LambdaCallback(on_train_epoch_end=lambda *_: epochs.append(counters["stats"]["unique_graphs"]))
    torch._dynamo.reset()
    counters.clear()
    Trainer(**QUIET, max_epochs=3, callbacks=[count]).fit(model, datamodule=Batches(4))
    assert epochs == [2, 2, 2]
    assert not counters["graph_break"]
    assert list(model.state_dict()) == names
    FlowerClassifier(NORMED, 4, "none").load_state_dict(model.state_dict())
