"""A run that was killed at any step and resumed leaves what one never interrupted does, bit for bit on CPU."""

import csv
import json
import os
import signal
import subprocess
import sys
from functools import partial
from itertools import count

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from lightning_flowers.__main__ import INTERRUPTED, MISUSED, main
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.predictions import Predictions

pytestmark = pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against")  # so it is at 32 px

EPOCHS = 3  # of 5 batches, 8 of the 40 records each
TIMES = ("seconds", "images_per_second", "data_wait_seconds")
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--model.lr=0.01", "--model.dropout=0.3",
    "--data.batch_size=8", "--data.threads=2", "--data.cache=none",
    "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", f"--trainer.max_epochs={EPOCHS}",
]  # fmt: skip


class Killed(BaseException):
    """The process is gone: nothing of ours handles it."""


@pytest.fixture
def kill(monkeypatch):
    """`kill(step)`: the next fit dies where that training step, counted from 1, is to begin."""
    original = FlowerClassifier.training_step

    def kill(step, how=Killed):
        steps = count(1)

        def training_step(self, *args):
            if next(steps) == step:
                raise how
            return original(self, *args)

        monkeypatch.setattr(FlowerClassifier, "training_step", training_step)

    return kill


@pytest.fixture
def command(here, kill, capsys):
    """`command(*args, kill_at=STEP)`: a fit that dies at that step (0: never); its status, output and errors."""

    def command(*args, kill_at=0, how=Killed):
        kill(kill_at, how)
        try:
            status = main(["fit", *args])
        except Killed:
            status = None
        return status, *capsys.readouterr()

    return command


@pytest.fixture
def fit(command, petals_root):
    """`fit(*flags)`: a new run, named broken."""
    return partial(command, *TINY, f"--data.root={petals_root}", "--name=broken")


@pytest.fixture
def resume(command):
    """`resume(*flags)`: goes on with it."""
    return partial(command, "--resume=runs/broken")


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def timeless(rows):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def batches_saved(folder):
    """How many batches of its epoch the last checkpoint has seen."""
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=False)["callbacks"]["Continuity"]["loader"][
        "batches"
    ]


def assert_equal(a, b, where="checkpoint"):
    """Bit for bit, whatever they hold."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            assert_equal(one, other, f"{where}[{number}]")
    else:
        assert a == b, where


def assert_same_run(a, b):
    assert timeless(rows_of(a / "metrics.csv")) == timeless(rows_of(b / "metrics.csv"))
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (torch.load(folder / "checkpoints" / name, weights_only=False) for folder in (a, b))
        for part in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
            assert_equal(one[part], other[part], f"{name} {part}")
        assert_equal(one["callbacks"]["Continuity"], other["callbacks"]["Continuity"], f"{name} Continuity")
    for split in ("val", "test"):
        one, other = (Predictions.load(folder / "predictions" / f"{split}.npz") for folder in (a, b))
        assert np.array_equal(one.probabilities, other.probabilities)
    assert (a / "submission.csv").read_bytes() == (b / "submission.csv").read_bytes()
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (a, b))
    assert one["best_epoch"] == other["best_epoch"]
    assert one["status"] == other["status"] == "finished"


SETTINGS = {
    "plain": [],
    "accumulate": ["--trainer.accumulate_grad_batches=2"],
    "mixing": ["--model.mixup=0.2", "--model.cutmix=1"],
    "features": ["--model.freeze_backbone=true", "--data.augment=none"],
    "views": ["--model.freeze_backbone=true", "--model.feature_views=2"],
    "max_steps": ["--trainer.max_steps=12"],
    "halves": ["--trainer.val_check_interval=0.4"],
    "early": ["--trainer.val_check_interval=0.6"],
    "fewer": ["--trainer.limit_train_batches=3"],
    "head": ["--model.head_epochs=1", "--model.layer_decay=0.7", "--model.ema_decay=0.9"],
}


@pytest.fixture(scope="session")
def whole(tmp_path_factory, petals_root):
    """`whole(settings)`: a run with these settings that nothing interrupted."""
    runs = tmp_path_factory.mktemp("whole")

    def whole(settings):
        folder = runs / settings
        if not folder.exists():
            flags = [
                f"--data.root={petals_root}",
                f"--runs_dir={runs}",
                f"--name={settings}",
                "--save_every_minutes=null",
            ]
            assert main(["fit", *TINY, *flags, *SETTINGS[settings]]) == 0
        return folder

    return whole


@pytest.mark.parametrize(
    ("settings", "step", "saved"),
    [
        ("plain", 4, 2),
        ("plain", 9, 2),
        ("plain", 15, 4),  # before the very last step
        ("accumulate", 5, 4),
        ("mixing", 10, 4),
        ("features", 8, 2),
        ("views", 13, 2),
        ("max_steps", 9, 2),
        ("max_steps", 12, 0),
        ("halves", 9, 3),  # not at 2, before a validation
        ("halves", 10, 3),  # nor at 4
        ("early", 10, 4),  # after the epoch's only validation
        ("fewer", 4, 0),
        ("head", 4, 2),
        ("head", 6, 0),  # before the first step of all
    ],
)
def test_a_killed_and_resumed_run_equals_one_never_interrupted(here, fit, resume, whole, settings, step, saved):
    expected = whole(settings)
    assert fit(*SETTINGS[settings], "--save_every_steps=2", kill_at=step)[0] is None
    assert batches_saved(here / "runs/broken") == saved
    assert resume()[0] == 0
    assert_same_run(here / "runs/broken", expected)


def test_a_run_killed_twice_equals_one_never_interrupted(here, fit, resume, whole):
    expected = whole("plain")
    assert fit("--save_every_steps=1", kill_at=4)[0] is None
    assert resume("--save_every_steps=3", kill_at=6)[0] is None  # three steps into the second epoch
    assert batches_saved(here / "runs/broken") == 3
    assert resume()[0] == 0
    assert_same_run(here / "runs/broken", expected)


def test_a_run_killed_while_it_validates_equals_one_never_interrupted(here, fit, resume, whole, monkeypatch):
    expected = whole("plain")
    original, steps = FlowerClassifier.validation_step, count()
    with monkeypatch.context() as patch:
        # Two batches of the first look at val, two of the first epoch's: dies in the second epoch's.
        patch.setattr(FlowerClassifier, "validation_step", lambda *args: die(steps, 5) or original(*args))
        assert fit("--save_every_steps=4")[0] is None
    assert batches_saved(here / "runs/broken") == 4
    assert resume()[0] == 0
    assert_same_run(here / "runs/broken", expected)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("validation_step", 7),  # after the first look at val and two validations: inside the second epoch's first
        ("save_checkpoint", 4),  # the validation is over, and `best` not written
        ("after_save_checkpoint", 4),  # `best` lies there, and `last` is of the epoch before
    ],
)
def test_a_run_killed_about_a_validation_inside_an_epoch_equals_one_never_interrupted(
    here, fit, resume, whole, monkeypatch, name, at
):
    expected = whole("halves")
    owner = {"validation_step": FlowerClassifier, "save_checkpoint": Trainer}.get(name, TensorBoardLogger)
    original, steps = getattr(owner, name), count()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, lambda *args: die(steps, at) or original(*args))
        assert fit(*SETTINGS["halves"], "--save_every_steps=3")[0] is None
    assert resume()[0] == 0
    assert_same_run(here / "runs/broken", expected)


def die(steps, at):
    if next(steps) == at:
        raise Killed


def test_checkpoints_are_saved_by_the_clock_too(here, fit):
    assert fit("--save_every_minutes=1e-9", kill_at=4)[0] is None
    assert batches_saved(here / "runs/broken") == 3


def test_of_a_run_killed_before_anything_was_saved_nothing_is_left(here, fit):
    assert fit("--save_every_minutes=null", kill_at=4)[0] is None
    assert not list(here.iterdir())


@pytest.mark.parametrize("flag", ["--save_every_steps=0", "--save_every_minutes=-1"])
def test_saving_every_nothing_is_refused(here, fit, flag):
    status, _, err = fit(flag)
    assert (status, err.count("\n")) == (MISUSED, 1)
    assert flag in err
    assert not list(here.iterdir())


def test_an_interrupt_in_the_first_epoch_keeps_what_was_saved_and_says_how_to_go_on(here, fit, resume, whole):
    expected = whole("plain")
    handler = signal.getsignal(signal.SIGINT)
    status, _, err = fit("--save_every_steps=2", kill_at=4, how=KeyboardInterrupt)
    assert status == INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is handler, "Lightning has it ignored"
    assert err.splitlines()[-1].endswith("resume with: python -m lightning_flowers fit --resume runs/broken")
    assert json.loads((here / "runs/broken/summary.json").read_text())["status"] == "interrupted"
    assert resume()[0] == 0
    assert_same_run(here / "runs/broken", expected)


@pytest.mark.filterwarnings(
    "ignore:Total length of .list. across ranks is zero", "default:.* other weights:UserWarning"
)
def test_predictions_that_a_run_has_left_behind_are_told_of(here, fit, resume):
    old = "warning: runs/broken: its predictions, and a submission of them, are of other weights"
    assert fit("--data.train_on=train+val", "--trainer.max_epochs=1")[2] == ""
    assert old in resume("--trainer.max_epochs=2", "--predict=false")[2]
    status, _, err = resume("--trainer.max_epochs=3", kill_at=3, how=KeyboardInterrupt)
    assert (status, err.count(old)) == (INTERRUPTED, 1)
    assert old not in resume("--trainer.max_epochs=3")[2]


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and "tensorboard" not in path.parts)
    return {path: path.read_bytes() for path in files}


def test_the_batches_must_stay_and_a_refusal_leaves_the_run_as_it_was(here, fit, resume, whole):
    assert fit("--save_every_steps=2", kill_at=9)[0] is None
    before = contents(here / "runs/broken")
    status, _, err = resume("--data.batch_size=5")
    assert (status, len(err.splitlines())) == (MISUSED, 1)
    assert err.startswith("lightning_flowers: --data.batch_size=5: the run runs/broken was begun with 8")
    assert contents(here / "runs/broken") == before
    assert resume()[0] == 0
    assert_same_run(here / "runs/broken", whole("plain"))


DRIVER = """
import os, signal, sys
from itertools import count
from pytorch_lightning import Trainer
from lightning_flowers.__main__ import main
from lightning_flowers.model.classifier import FlowerClassifier

original, steps = FlowerClassifier.training_step, count(1)

def training_step(*args):
    if next(steps) == int(os.environ["KILL_AT"]):
        os._exit(9)
    return original(*args)

def save(trainer, path):
    saved(trainer, path)
    if next(saves) == int(os.environ.get("KILL_AT_SAVE", 0)):
        path.write_bytes(path.read_bytes()[:1000])
        os.kill(os.getpid(), signal.SIGKILL)

saved, saves = Trainer.save_checkpoint, count(1)
FlowerClassifier.training_step, Trainer.save_checkpoint = training_step, save
sys.exit(main(sys.argv[1:]))
"""


def test_a_run_killed_while_it_writes_the_best_of_an_epoch_goes_on(here, resume, whole, petals_root):
    """For real: SIGKILL leaves half a file beside the good ones."""
    expected = whole("halves")
    (here / "driver.py").write_text(DRIVER)
    flags = [*TINY, *SETTINGS["halves"], f"--data.root={petals_root}", "--name=broken", "--save_every_steps=1"]
    command = [sys.executable, "driver.py", "fit", *flags]
    environment = os.environ | {"KILL_AT": "0", "KILL_AT_SAVE": "7"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (here / "runs/broken/checkpoints/.best.ckpt.part").stat().st_size == 1000
    assert resume()[0] == 0
    assert_same_run(here / "runs/broken", expected)


@pytest.mark.slow
def test_two_killed_processes_go_on_as_if_they_never_had_been(here, petals_root):
    """For real: both die, and both, talking by gloo, go on with their own random numbers and shared sums."""
    (here / "driver.py").write_text(DRIVER)

    def fit(*flags, kill_at=0):
        command = [sys.executable, "driver.py", "fit", *flags]
        done = subprocess.run(
            command,
            env=os.environ | {"KILL_AT": str(kill_at)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stderr

    flags = [*TINY, f"--data.root={petals_root}", "--trainer.devices=2", "--trainer.strategy=ddp", "--report=false"]
    flags += ["--model.mixup=0.2", "--trainer.max_epochs=2", "--model.head_epochs=1"]
    status, err = fit(*flags, "--name=whole")
    assert status == 0, err
    assert fit(*flags, "--name=broken", "--save_every_steps=2", kill_at=9)[0] == 9
    assert batches_saved(here / "runs/broken") == 2
    status, err = fit("--resume=runs/broken")
    assert status == 0, err
    assert_same_run(here / "runs/broken", here / "runs/whole")
