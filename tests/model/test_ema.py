"""The average of the weights: what it is, who sees it, what a checkpoint holds of it.

What XLA makes of it is held by the whole runs of tests/hardware/test_xla.py.
"""

from itertools import count
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.hardware import prepare_host
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.ema import Ema, averaged, decay_at
from lightning_flowers.run.predictions import Predictions

DECAY = 0.3  # the first updates have less: 0.1, 0.18, 0.25; then 0.3
AVERAGED = {"net.0.weight", "net.1.weight", "net.1.bias", "net.1.running_mean", "net.1.running_var", "net.3.weight"}


@pytest.fixture(autouse=True)
def no_tpu():
    prepare_host("cpu")  # or Lightning looks for one


class Net(LightningModule):
    """Small, with BatchNorm and a layer that is not trained."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2, bias=False)
        self.net = nn.Sequential(*layers, nn.Linear(2, 2).requires_grad_(False))
        self.register_buffer("scale", torch.ones(1), persistent=False)
        self.seen = {"train": [], "val": []}

    def loss(self, batch):
        image, label = batch
        return nn.functional.cross_entropy(self.net(image), label)

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(weights(self))
        return self.loss(batch)

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(weights(self))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.05)


class Spy(Callback):
    """Keeps the weights after each batch; and raises in the validation whose number, from 1, is given."""

    def __init__(self, dies_in=0):
        self.raw, self.validations, self.dies_in = [], 0, dies_in

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.raw.append(weights(pl_module))

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.validations += 1
        if self.validations == self.dies_in:
            raise RuntimeError("while it validates")


class Batches:
    """Pictures and labels, the same in each epoch. (Lightning would take a list for one loader each.)"""

    def __init__(self, count):
        generator = torch.Generator().manual_seed(1)
        self.image = torch.randn(count, 4, 3, 4, 4, generator=generator)
        self.label = torch.randint(0, 2, (count, 4), generator=generator)

    def __len__(self):
        return len(self.label)

    def __iter__(self):
        return zip(self.image, self.label, strict=True)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def trainer(*callbacks, **kwargs):
    settings = {"accelerator": "cpu", "max_epochs": 2, "num_sanity_val_steps": 0, "logger": False}
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(callbacks=list(callbacks), **{**settings, **quiet, **kwargs})


def fit(*callbacks, ckpt_path=None, **kwargs):
    """A model that was trained on 4 batches an epoch, and validated on one."""
    model = Net()
    trainer(*callbacks, **kwargs).fit(model, Batches(4), Batches(1), ckpt_path=ckpt_path)
    return model


def average_of(start, steps):
    """As one would write it down."""
    average = {name: start[name] for name in AVERAGED}
    for step, raw in enumerate(steps):
        decay = min(DECAY, (1 + step) / (10 + step))
        average = {name: decay * average[name] + (1 - decay) * raw[name] for name in AVERAGED}
    return average


def assert_close(some, other):
    for name in AVERAGED:
        torch.testing.assert_close(some[name], other[name])


def assert_same(some, other, names=None):
    for name in names or some.keys() | other.keys():
        assert torch.equal(some[name], other[name]), name


def test_the_decay_grows_to_its_limit():
    assert [decay_at(step, 0.5) for step in (0, 1, 8, 9)] == [0.1, 2 / 11, 0.5, 0.5]
    assert decay_at(10**9, 0.999) == 0.999


def test_the_average_is_of_what_training_changes():
    assert averaged(Net()).keys() == AVERAGED
    frozen = FlowerClassifier(backbone="test_resnet", weights="none", num_classes=4, freeze_backbone=True)
    assert averaged(frozen).keys() == {"head.1.weight", "head.1.bias"}


def test_validation_sees_the_average_and_training_goes_on_from_the_raw_weights():
    spy = Spy()
    model = fit(Ema(DECAY), spy)
    average = average_of(weights(Net()), spy.raw)
    first, last = model.seen["val"]
    assert_close(first, average_of(weights(Net()), spy.raw[:4]))
    assert_close(last, average)
    assert not torch.allclose(last["net.3.weight"], spy.raw[-1]["net.3.weight"])
    plain = fit()  # without an average, training is the same
    assert len(plain.seen["train"]) == 8
    for some, other in zip(model.seen["train"], plain.seen["train"], strict=True):
        assert_same(some, other)
    assert_same(weights(model), last)  # in the end the model has the average


def test_there_is_one_update_per_optimizer_step():
    spy = Spy()
    model = fit(Ema(DECAY), spy, accumulate_grad_batches=2)
    assert_close(weights(model), average_of(weights(Net()), spy.raw[1::2]))


def saving(path, hook):
    """A callback that saves a checkpoint in a hook, each time in place of the one before."""
    return type("Saving", (Callback,), {hook: lambda self, trainer, *args: trainer.save_checkpoint(path)})()


@pytest.mark.parametrize("hook", ["on_train_epoch_end", "on_validation_batch_end", "on_train_end"])
def test_a_checkpoint_has_the_average_for_all_and_the_raw_weights_for_itself(tmp_path, hook):
    spy = Spy()
    fit(Ema(DECAY), spy, saving(tmp_path / "a.ckpt", hook))
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert_close(checkpoint["state_dict"], average_of(weights(Net()), spy.raw))
    assert checkpoint["state_dict"].keys() == Net().state_dict().keys()
    state = checkpoint["callbacks"]["Ema"]
    assert state["steps"] == 8
    assert_same(state["raw"], spy.raw[-1], AVERAGED)
    assert state["raw"].keys() == AVERAGED


def test_a_resumed_run_goes_on_with_both(tmp_path):
    whole = fit(Ema(DECAY), saving(tmp_path / "whole.ckpt", "on_train_epoch_end"), max_epochs=3)
    fit(Ema(DECAY), saving(tmp_path / "part.ckpt", "on_train_epoch_end"), max_epochs=2)
    again = fit(
        Ema(DECAY),
        saving(tmp_path / "resumed.ckpt", "on_train_epoch_end"),
        max_epochs=3,
        ckpt_path=tmp_path / "part.ckpt",
    )
    assert_same(again.seen["train"][0], whole.seen["train"][8])
    one, other = (torch.load(tmp_path / name, weights_only=True) for name in ("whole.ckpt", "resumed.ckpt"))
    assert_same(one["state_dict"], other["state_dict"])
    assert_same(one["callbacks"]["Ema"]["raw"], other["callbacks"]["Ema"]["raw"])
    assert one["callbacks"]["Ema"]["steps"] == other["callbacks"]["Ema"]["steps"] == 12


def test_a_run_without_an_average_goes_on_with_one(tmp_path):
    fit(saving(tmp_path / "a.ckpt", "on_train_epoch_end"))
    spy = Spy()
    saver = saving(tmp_path / "b.ckpt", "on_train_epoch_end")
    fit(Ema(DECAY), spy, saver, max_epochs=3, ckpt_path=tmp_path / "a.ckpt")
    start = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    checkpoint = torch.load(tmp_path / "b.ckpt", weights_only=True)
    assert_close(checkpoint["state_dict"], average_of(start, spy.raw))
    assert checkpoint["callbacks"]["Ema"]["steps"] == 4


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_a_run_with_an_average_goes_on_from_it_without_one(tmp_path):
    fit(Ema(DECAY), saving(tmp_path / "a.ckpt", "on_train_epoch_end"))
    model = fit(max_epochs=3, ckpt_path=tmp_path / "a.ckpt")
    assert_same(model.seen["train"][0], torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"])


def test_a_failure_while_it_validates_leaves_the_raw_weights_and_no_hook(tmp_path):
    ema, spy, model = Ema(DECAY), Spy(dies_in=2), Net()
    run = trainer(ema, spy, saving(tmp_path / "failed.ckpt", "on_exception"))
    with pytest.raises(RuntimeError, match="while it validates"):
        run.fit(model, Batches(4), Batches(1))
    assert_same(weights(model), spy.raw[-1])
    checkpoint = torch.load(tmp_path / "failed.ckpt", weights_only=True)
    assert_close(checkpoint["state_dict"], average_of(weights(Net()), spy.raw))
    assert_same(checkpoint["callbacks"]["Ema"]["raw"], spy.raw[-1], AVERAGED)
    assert not run.optimizers[0]._optimizer_step_post_hooks


def test_after_a_fit_nothing_of_it_is_left(tmp_path):
    ema, model = Ema(DECAY), Net()
    run = trainer(ema, saving(tmp_path / "a.ckpt", "on_train_epoch_end"))
    run.fit(model, Batches(4), Batches(1))
    optimizer = run.optimizers[0]
    run.validate(model, Batches(1), ckpt_path=tmp_path / "a.ckpt", verbose=False)
    assert_same(model.seen["val"][-1], torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"])
    assert not optimizer._optimizer_step_post_hooks
    assert ema.state_dict() == {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against")  # so it is at 32 px
def test_a_killed_and_resumed_run_has_the_weights_of_one_never_interrupted(tmp_path, monkeypatch, petals_root):
    monkeypatch.chdir(tmp_path)
    flags = [f"--data.root={petals_root}", "--model.backbone=test_resnet", "--model.weights=none"]
    flags += ["--model.ema_decay=0.9", "--data.batch_size=8", "--data.cache=none", "--save_every_steps=2"]
    flags += ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.max_epochs=2"]
    assert main(["fit", *flags, "--name=whole"]) == 0
    step, steps = FlowerClassifier.training_step, count(1)
    with monkeypatch.context() as patch:
        patch.setattr(FlowerClassifier, "training_step", lambda *args: die(steps, 9) or step(*args))
        with pytest.raises(Killed):
            main(["fit", *flags, "--name=broken"])
    assert main(["fit", "--resume=runs/broken"]) == 0
    for name in ("best.ckpt", "last.ckpt"):
        one, other = (torch.load(f"runs/{run}/checkpoints/{name}", weights_only=False) for run in ("whole", "broken"))
        assert_same(one["state_dict"], other["state_dict"])
        assert_same(one["callbacks"]["Ema"]["raw"], other["callbacks"]["Ema"]["raw"])
        assert one["callbacks"]["Ema"]["steps"] == other["callbacks"]["Ema"]["steps"]
    assert other["callbacks"]["Ema"]["steps"] == 10
    assert not torch.equal(other["state_dict"]["head.1.weight"], other["callbacks"]["Ema"]["raw"]["head.1.weight"])
    predictions = (f"runs/{run}/predictions/val.npz" for run in ("whole", "broken"))
    one, other = (Predictions.load(Path(path)).probabilities for path in predictions)
    assert (one == other).all()


class Killed(BaseException):
    """The process is gone: nothing of ours handles it."""


def die(steps, at):
    if next(steps) == at:
        raise Killed


@pytest.mark.parametrize("decay", ["1", "-0.1"])
def test_a_decay_out_of_range_is_refused(tmp_path, monkeypatch, petals_root, capsys, decay):
    monkeypatch.chdir(tmp_path)
    flags = ["--model.backbone=test_resnet", "--model.weights=none", f"--model.ema_decay={decay}"]
    assert main(["fit", f"--data.root={petals_root}", *flags]) == MISUSED
    assert "--model.ema_decay=" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
