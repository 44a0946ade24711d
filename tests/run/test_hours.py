"""`--hours`: a run has as many epochs as fit, and its schedule comes to its end with them."""

import csv
import json
import math
from types import SimpleNamespace

import pytest
import yaml

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run import hours
from lightning_flowers.run.hours import Hours, fitting

pytestmark = pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against")  # so it is at 32 px
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
    "--data.cache=none", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--predict=false",
]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "left", "epochs"),
    [
        ([100], 1000, None),  # asked again after the second, which is quicker as a rule
        ([100], 120, 2),
        ([100], 90, 1),
        ([100], -5, 1),
        ([100, 10], 100, 11),  # 5 % are kept back
        ([100, 10, 20], 100, 9),
        ([100, 10, 20], 0, 3),
    ],
)
def test_as_many_epochs_fit_as_are_like_those_after_the_first(seconds, left, epochs):
    assert fitting(seconds, left) == epochs


@pytest.mark.parametrize(
    ("seconds", "left", "epochs"),
    [
        ([100, 10], 1000, None),  # of the head alone, and quicker than what is to come
        ([100, 10, 50], 1000, None),
        ([100, 10, 50, 40], 1000, 27),
        ([100, 10], 5, 2),  # the time is up
    ],
)
def test_what_the_head_alone_takes_says_nothing_of_the_epochs_of_all_layers(seconds, left, epochs):
    assert fitting(seconds, left, head_epochs=2) == epochs


def test_a_plan_is_not_changed_while_epochs_take_what_they_took():
    seconds, left = [100.0, 10.0], 500.0
    planned = fitting(seconds, left)
    assert planned
    while len(seconds) < planned:
        seconds, left = [*seconds, 10.0], left - 10
        assert (fitting(seconds, left) or 0) >= planned


def rows_of(folder):
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def test_the_schedule_ends_with_the_epochs_that_fit_and_the_run_says_how_many(here, petals_root, monkeypatch, capsys):
    data = [f"--data.root={petals_root}", *TINY]
    assert main(["fit", *data, "--trainer.max_epochs=3", "--name=three"]) == 0
    monkeypatch.setattr(hours, "fitting", lambda seconds, *_: None if len(seconds) < 2 else 3)
    capsys.readouterr()
    assert main(["fit", *data, "--trainer.max_epochs=30", "--hours=5", "--name=found"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("hours ")]
    assert "3 of 30 epochs fit" in said[0]
    assert said[1].endswith("of 5 were used")
    found, three = rows_of(here / "runs/found"), rows_of(here / "runs/three")
    rates = [[float(row["learning_rate"]) for row in rows] for rows in (found, three)]
    assert rates[0][0] == rates[1][0]  # both warm up
    assert rates[0][1] > rates[1][1]  # still by 30 epochs
    assert rates[0][2:] == rates[1][2:]
    assert yaml.safe_load((here / "runs/found/config.yaml").read_text())["trainer"]["max_epochs"] == 3
    summary = json.loads((here / "runs/found/summary.json").read_text())
    assert (summary["status"], summary["hours"]) == ("finished", 5)
    assert 0 < summary["hours_used"] < 1


def test_hours_count_over_the_sessions_of_a_run(here, petals_root, monkeypatch, capsys):
    original, steps = FlowerClassifier.training_step, iter(range(1000))

    def training_step(self, *args):
        if next(steps) == 7:
            raise KeyboardInterrupt
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(FlowerClassifier, "training_step", training_step)
        assert main(["fit", f"--data.root={petals_root}", *TINY, "--hours=5", "--name=cut"]) != 0
    (here / "runs/cut/seconds-used.txt").write_text("18000")  # it has idled since
    capsys.readouterr()
    assert main(["fit", "--resume=runs/cut"]) == 0
    assert "no further epoch fits" in capsys.readouterr().out
    assert len(rows_of(here / "runs/cut")) == 2
    assert main(["fit", "--resume=runs/cut", "--hours=10", "--trainer.max_epochs=3"]) == 0
    assert len(rows_of(here / "runs/cut")) == 3
    assert json.loads((here / "runs/cut/summary.json").read_text())["hours"] == 10
    assert main(["fit", "--resume=runs/cut"]) == 0
    assert "its end; more --hours and a higher --trainer.max_epochs would go on" in capsys.readouterr().out


@pytest.fixture
def trainer():
    """Of two processes, of which this is the second: the first one's clock has left 2 epochs."""
    strategy = SimpleNamespace(broadcast=lambda epochs: 2)
    loops = SimpleNamespace(max_epochs=9)
    return SimpleNamespace(strategy=strategy, fit_loop=loops, max_epochs=9, num_training_batches=5, num_val_batches=[2])


class Splits(dict[str, range]):
    validates = True


def test_the_first_process_decides_and_time_for_predictions_is_kept(trainer, monkeypatch):
    data = SimpleNamespace(
        splits=Splits(val=range(12), test=range(100)), names_for=lambda _: ("val", "test"), batch_size=8
    )
    budget = SimpleNamespace(left=100.0, used=50.0, seconds=150.0)
    history = SimpleNamespace(rows=[{"seconds": 10.0}, {"seconds": 10.0}])
    asked, noted, laid = [], [], []
    monkeypatch.setattr(hours, "fitting", lambda seconds, left, _: asked.append(left))
    callback = Hours(budget, history, data, True, noted.append)  # pyright: ignore[reportArgumentType]
    callback._per_batch = 2.0
    model = SimpleNamespace(frozen=False, head_epochs=0, optimization=SimpleNamespace(reschedule=laid.append))
    callback.on_train_epoch_end(trainer, model)
    assert asked == [100 - 2 * (math.ceil(12 / 8) + math.ceil(100 / 8))]
    assert (trainer.fit_loop.max_epochs, noted, laid) == (2, [2], [trainer])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--hours=0"], "--hours=0.0: must be above 0"),
        (["--hours=.inf"], "--hours=inf: must be above 0"),
        (["--hours=1", "--trainer.max_time=00:01:00:00"], "--trainer.max_time=00:01:00:00: cuts a run off"),
        (["--hours=1", "--trainer.fast_dev_run=true"], "--hours=1.0: would have no effect"),
        (["--hours=1", "--trainer.max_epochs=1"], "--hours=1.0: would have no effect"),
    ],
)
def test_what_cannot_be_is_refused(here, petals_root, capsys, flags, said):
    assert main(["fit", f"--data.root={petals_root}", *TINY, *flags]) == MISUSED
    assert capsys.readouterr().err.startswith(f"lightning_flowers: {said}")
    assert not list(here.iterdir())
