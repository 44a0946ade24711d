"""A run that is resumed under other settings: what may change is carried over exactly, the rest is refused by name."""

import csv
import json
import shutil
from itertools import count

import pytest
import yaml

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.schedule import starter, warmup_cosine

LR, EPOCHS = 0.01, 6  # of the 40 records
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", f"--model.lr={LR}", "--data.threads=2", "--data.cache=none",
    "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--save_every_steps=1", "--data.augment=none",
]  # fmt: skip


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def seen(monkeypatch):
    """The records of each training batch."""
    original, seen = FlowerClassifier.training_step, []

    def training_step(self, batch, batch_idx):
        seen.append(batch["index"][batch["mask"]].tolist())
        return original(self, batch, batch_idx)

    monkeypatch.setattr(FlowerClassifier, "training_step", training_step)
    return seen


@pytest.fixture
def fit(tmp_path, monkeypatch, capsys):
    """`fit(*flags, kill_at=STEP)`: its status and errors."""
    monkeypatch.chdir(tmp_path)

    def fit(*flags, kill_at=0):
        steps, original = count(1), FlowerClassifier.training_step

        def training_step(self, *args):
            if next(steps) == kill_at:
                raise Killed
            return original(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(FlowerClassifier, "training_step", training_step)
            try:
                status = main(["fit", *flags])
            except Killed:
                status = None
        return status, capsys.readouterr().err

    return fit


@pytest.fixture
def begin(fit, petals_root):
    """`begin(*flags, kill_at=STEP)`: a run named broken, in batches of 8."""

    def begin(*flags, kill_at, epochs=EPOCHS):
        flags = [*TINY, f"--data.root={petals_root}", "--data.batch_size=8", f"--trainer.max_epochs={epochs}", *flags]
        assert fit(*flags, "--name=broken", kill_at=kill_at)[0] is None

    return begin


def rates(folder):
    """The learning rate of the last step of each epoch."""
    return [float(row["learning_rate"]) for row in csv.DictReader((folder / "metrics.csv").read_text().splitlines())]


def cosine(steps, epochs=EPOCHS):
    """What they are by the formula, with so many steps in each epoch."""
    return [LR * warmup_cosine((epoch + 1) * steps - 1, epochs * steps, steps) for epoch in range(epochs)]


def test_after_an_epoch_the_schedule_goes_on_at_the_same_place(begin, fit, tmp_path):
    begin(kill_at=11)  # two epochs of five steps are done
    status, err = fit("--resume=runs/broken")
    assert status == 0, err
    assert rates(tmp_path / "runs/broken") == pytest.approx(cosine(5), rel=1e-4)


def test_more_epochs_stretch_the_schedule_from_the_first_step_on(begin, fit, tmp_path):
    begin(kill_at=11)
    assert fit("--resume=runs/broken", "--trainer.max_epochs=8")[0] == 0
    assert rates(tmp_path / "runs/broken")[2:] == pytest.approx(cosine(5, 8)[2:], rel=1e-4)


def test_the_starters_schedule_goes_on_with_another_rate(begin, fit, tmp_path):
    begin("--model.schedule=starter", kill_at=11)
    assert fit("--resume=runs/broken", "--model.lr=0.02")[0] == 0
    expected = [starter(epoch, LR if epoch < 2 else 0.02) for epoch in range(EPOCHS)]
    assert rates(tmp_path / "runs/broken") == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def cut(tmp_path_factory, petals_root):
    """A finished run of an epoch, to copy."""
    runs = tmp_path_factory.mktemp("runs")
    flags = ["--data.batch_size=8", "--trainer.max_epochs=1", f"--runs_dir={runs}", "--name=broken"]
    assert main(["fit", *TINY, f"--data.root={petals_root}", *flags]) == 0
    return runs / "broken"


@pytest.mark.parametrize(
    "flag",
    ["--model.optimizer=adam", "--seed_everything=1", "--data.batch_size=4", "--trainer.accumulate_grad_batches=2"],
)
def test_what_the_runs_state_does_not_fit_is_refused(cut, fit, tmp_path, flag):
    run = shutil.copytree(cut, tmp_path / "runs/broken")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    status, err = fit("--resume=runs/broken", "--trainer.max_epochs=3", flag)
    assert status == MISUSED
    assert len(err.splitlines()) == 1
    assert err.startswith(f"lightning_flowers: {flag}")
    assert "was begun with" in err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_run_that_had_come_to_its_end_says_so(cut, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(cut, tmp_path / "runs/broken")
    assert main(["fit", "--resume=runs/broken"]) == 0
    assert "nothing: the run had come to its end; a higher --trainer.max_epochs" in capsys.readouterr().out
    assert main(["fit", "--resume=runs/broken", "--trainer.max_steps=1"]) == 0
    assert "nothing: the run had come to its end; a higher --trainer.max_steps" in capsys.readouterr().out
    assert main(["fit", "--resume=runs/broken", "--trainer.max_epochs=2"]) == 0
    assert "had come to its end" not in capsys.readouterr().out


@pytest.mark.parametrize(("value", "records"), [("1", 8), ("1.0", 40), ("0.5", 16)])
def test_one_batch_is_one_and_a_share_is_a_share(fit, seen, tmp_path, petals_root, value, records):
    flags = [f"--data.root={petals_root}", "--data.batch_size=8", "--trainer.max_epochs=1", "--name=some"]
    assert fit(*TINY, *flags, f"--trainer.limit_train_batches={value}")[0] == 0
    assert sum(map(len, seen)) == records
    settings = yaml.safe_load((tmp_path / "runs/some/config.yaml").read_text())
    assert repr(settings["trainer"]["limit_train_batches"]) == value
    limits = json.loads((tmp_path / "runs/some/summary.json").read_text())["limits"]
    assert limits == ({} if value == "1.0" else {"limit_train_batches": float(value)})


def test_overfitting_sees_the_same_batches_in_each_epoch(fit, seen, petals_root):
    flags = [
        f"--data.root={petals_root}",
        "--data.batch_size=8",
        "--trainer.max_epochs=3",
        "--trainer.overfit_batches=2",
    ]
    assert fit(*TINY, *flags)[0] == 0
    assert len(seen) == 6
    assert seen[:2] == seen[2:4] == seen[4:]
