"""What lies in a run's folder is what was scored, whole, finite and readable, whatever happens."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from lightning_fabric.plugins.io import torch_io
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import StochasticWeightAveraging
from pytorch_lightning.loggers import CSVLogger

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run import checkpoints
from lightning_flowers.run.callbacks import check_callbacks
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.history import History
from lightning_flowers.run.results import read_run

RUN = Path("runs/run")
BEST, LAST = RUN / "checkpoints/best.ckpt", RUN / "checkpoints/last.ckpt"
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--model.lr=0.01", "--data.batch_size=8",
    "--data.threads=2", "--data.cache=none", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
    "--trainer.logger=false", "--report=false",
]  # fmt: skip


@pytest.fixture
def fit(tmp_path, petals_root, monkeypatch, capsys):
    """`fit(*flags)`: two epochs of five batches; the exit status and the errors."""
    monkeypatch.chdir(tmp_path)

    def fit(*flags):
        new = [*TINY, "--trainer.max_epochs=2", f"--data.root={petals_root}", "--name=run"]
        status = main(["fit", *flags] if any("--resume" in flag for flag in flags) else ["fit", *new, *flags])
        return status, capsys.readouterr().err

    return fit


def read(path):
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    "flags",
    [
        ["--trainer.val_check_interval=0.4"],  # after batches 2 and 4 of 5
        ["--trainer.val_check_interval=0.6", "--model.ema_decay=0.5"],
        ["--trainer.val_check_interval=3", "--trainer.check_val_every_n_epoch=null"],  # across epochs
        ["--trainer.check_val_every_n_epoch=2", "--trainer.max_epochs=3"],
    ],
)
def test_the_score_and_the_file_are_of_the_same_validation(fit, flags):
    assert fit(*flags)[0] == 0
    summary = json.loads((RUN / "summary.json").read_text())
    assert summary["best"]["val_macro_f1"] == pytest.approx(summary["predictions"]["val"]["macro_f1"], abs=1e-6)
    assert summary["best"]["val_loss"] == pytest.approx(summary["predictions"]["val"]["loss"], rel=1e-4)
    (RUN / "summary.json").write_text('{"epochs": 0}')  # as of a run that was killed
    best = read_run(RUN).best
    assert best is not None
    assert best.val_macro_f1 == pytest.approx(summary["best"]["val_macro_f1"], rel=1e-5)
    assert best.epoch == summary["best_epoch"]


def test_of_equal_validations_the_earliest_is_kept(fit, monkeypatch):
    saved = []
    original = Trainer.save_checkpoint
    monkeypatch.setattr(Trainer, "save_checkpoint", lambda self, path: saved.append(path.name) or original(self, path))
    assert fit("--trainer.val_check_interval=0.4", "--model.freeze_backbone=true", "--model.lr=1e-30")[0] == 0
    assert saved.count(".best.ckpt.part") == 1
    assert read(BEST)["global_step"] == 2


def test_a_run_killed_between_best_and_last_knows_the_best_of_its_file(fit, monkeypatch):
    flags = ["--trainer.val_check_interval=0.4", "--save_every_steps=1"]
    assert fit(*flags)[0] == 0
    best, last = read(BEST), read(LAST)
    # As if `best` had been saved just after `last`, by training that does not come again.
    found = {"epoch": 3, "val_macro_f1": 2.0, "val_macro_f1_present": 2.0, "val_loss": 0.1, "val_accuracy": 1.0}
    best["callbacks"]["History"] |= {"rows": last["callbacks"]["History"]["rows"], "scores": found}
    torch.save(best, BEST)
    last["callbacks"]["History"]["scores"] = {}
    torch.save(last, LAST)
    before = BEST.read_bytes()
    assert fit(f"--resume={RUN}", "--trainer.max_epochs=3", "--model.lr=1e-12")[0] == 0
    assert json.loads((RUN / "summary.json").read_text())["best"]["val_macro_f1"] == 2.0
    assert BEST.read_bytes() == before


def test_without_its_file_an_earlier_best_is_forgotten(fit):
    assert fit()[0] == 0
    BEST.unlink()
    assert fit(f"--resume={RUN}", "--trainer.max_epochs=3", "--model.lr=1e-12")[0] == 0
    summary = json.loads((RUN / "summary.json").read_text())
    assert summary["best_epoch"] == 3
    assert summary["best"]["val_macro_f1"] == pytest.approx(summary["predictions"]["val"]["macro_f1"], abs=1e-6)


def test_a_checkpoint_that_cannot_be_written_whole_leaves_the_one_before(fit, monkeypatch):
    assert fit()[0] == 0
    before = LAST.read_bytes()

    def break_off(self, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Trainer, "save_checkpoint", break_off)
    status, err = fit(f"--resume={RUN}", "--trainer.max_epochs=3")
    assert (status, err.count("\n")) == (MISUSED, 1)
    assert "No space left" in err
    assert LAST.read_bytes() == before
    assert sorted(path.name for path in LAST.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_checkpoint_goes_straight_into_its_file_and_one_of_a_callback_by_lightning(fit, monkeypatch):
    monkeypatch.setattr(torch_io, "_atomic_save", lambda checkpoint, path: Path(path).write_bytes(b"Lightning's"))
    assert fit("--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.dirpath=own")[0] == 0
    assert read(LAST)["epoch"] == 1
    assert [path.read_bytes() for path in Path("own").iterdir()] == [b"Lightning's"]


@pytest.mark.parametrize(("part", "step"), [("weights", 7), ("optimizer's state", 8)])  # inside the second epoch
def test_a_diverged_run_goes_on_from_what_was_good_as_it_is_told_to(fit, monkeypatch, part, step):
    original = FlowerClassifier.on_before_zero_grad

    def diverge(self, optimizer):  # just before the step after
        if self.trainer.global_step == step:
            tensors = self.head[-1].weight if part == "weights" else optimizer.state[self.head[-1].weight]["exp_avg"]
            tensors.data.fill_(float("nan"))
        return original(self, optimizer)

    with monkeypatch.context() as patch:
        patch.setattr(FlowerClassifier, "on_before_zero_grad", diverge)
        status, err = fit("--save_every_steps=1")
    assert (status, err.count("\n")) == (MISUSED, 1)
    assert f"fit --resume {RUN} --model.lr=..." in err
    assert all(tensor.isfinite().all() for path in (BEST, LAST) for tensor in read(path)["state_dict"].values())
    assert fit(f"--resume={RUN}", "--model.lr=1e-3") == (0, "")


def test_a_run_that_diverges_at_once_is_told_to_start_anew_and_leaves_nothing(fit):
    status, err = fit("--model.lr=1e38")
    assert (status, err.count("\n")) == (MISUSED, 1)
    assert "nothing good was saved yet: start anew with a lower --model.lr" in err
    assert not RUN.exists()


class Told(CSVLogger):
    """Reads each checkpoint that it is told of."""

    seen: ClassVar[list[int]] = []

    def after_save_checkpoint(self, checkpoint_callback):
        best = checkpoint_callback.best_model_path
        last = checkpoint_callback.last_model_path
        self.seen.append(max(read(path)["global_step"] for path in (best, last) if path))


def test_loggers_are_told_of_a_checkpoint_once_it_lies_there(fit):
    Told.seen.clear()
    assert fit("--trainer.logger=tests.run.test_checkpoints.Told", "--trainer.logger.save_dir=logs")[0] == 0
    assert Told.seen[:2] == [5, 5]  # best, then last
    assert Told.seen[-1] == 10


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["ModelPruning", "pruning_fn=l1_unstructured"], "ModelPruning keeps its masks in no checkpoint"),
        (["SpikeDetection"], "SpikeDetection cannot be saved in a checkpoint"),
        (["BackboneFinetuning", "unfreeze_backbone_at_epoch=1"], "BackboneFinetuning hands the optimizer layers"),
        (["EMAWeightAveraging"], "EMAWeightAveraging averages the counts that scores are made of as well"),
        (["EarlyStopping", "monitor=val_los"], "EarlyStopping's monitor=val_los: use one of train_loss, "),
        (["ModelCheckpoint", "monitor=nonsense"], "ModelCheckpoint's monitor=nonsense: use one of train_loss, "),
    ],
)
def test_callbacks_that_would_fail_are_refused_at_the_start(fit, flags, said):
    callback, *settings = flags
    status, err = fit(f"--trainer.callbacks+={callback}", *(f"--trainer.callbacks.{setting}" for setting in settings))
    assert (status, err.count("\n")) == (MISUSED, 1)
    assert f"--trainer.callbacks: {said}" in err
    assert not RUN.exists()


def test_an_average_that_would_be_in_no_checkpoint_is_refused():
    with pytest.raises(UserError, match=r"StochasticWeightAveraging puts its average in place after .*ema_decay=0.999"):
        check_callbacks([StochasticWeightAveraging(0.01)], True)


def test_what_a_plugin_puts_into_a_checkpoint_is_read_back_before_it_takes_a_good_ones_place(tmp_path):
    torch.save({"state_dict": Path("somewhere")}, tmp_path / "last.ckpt")
    assert "cannot be read back safely" in str(checkpoints._trouble(tmp_path / "last.ckpt"))


def test_the_first_process_is_seldom_asked_for_the_time(monkeypatch, tmp_path):
    """Steps of a second, saves every ten minutes: due when it is time, and at few of the steps do processes talk."""
    now, asked = 0.0, 0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    keeper = checkpoints.Checkpoints(RunFolder(tmp_path), History(tmp_path / "metrics.csv"), None, 10)

    def broadcast(value):
        nonlocal asked
        asked += 1
        return value

    strategy = SimpleNamespace(broadcast=broadcast)
    trainer: Any = SimpleNamespace(accumulate_grad_batches=1, world_size=2, strategy=strategy)
    due = []
    for step in range(1, 1801):
        now = float(step)
        if keeper._is_due(trainer, step):
            due.append(step)
            keeper._saved = now
    assert len(due) == 2
    assert due[0] == pytest.approx(620, abs=20)
    assert asked < 100
