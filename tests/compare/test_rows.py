from pathlib import Path

import numpy as np
import pytest

from lightning_flowers.compare.rows import rows_of, study_row
from lightning_flowers.compare.study import find_result
from lightning_flowers.run.results import Run, read_run


@pytest.fixture
def rows(make_run):
    """The rows of runs given as the arguments of `make_run`, by name."""

    def rows(**runs):
        return rows_of([read_run(make_run(name, **changes)) for name, changes in runs.items()], comparable=True)

    return rows


def best(accuracy, loss=0.25):
    return {"epoch": 9, "val_accuracy": accuracy, "val_macro_f1": accuracy - 0.01, "val_loss": loss}


def test_runs_that_differ_in_their_seed_alone_are_one_row(rows):
    scores, seconds = [0.931, 0.95, 0.944], [61.5, 60.0, 64.0]
    pairs = enumerate(zip(scores, seconds, strict=True))
    (row,) = rows(**{f"s{seed}": {"seed": seed, "best": best(a), "seconds_per_epoch": s} for seed, (a, s) in pairs})
    assert row.seeds == [0, 1, 2]
    for name, values in (("val_accuracy", scores), ("seconds_per_epoch", seconds)):
        assert row.figures[name].mean == pytest.approx(np.mean(values))
        assert row.figures[name].std == pytest.approx(np.std(values, ddof=1))


def test_a_run_alone_and_repeats_of_one_seed_have_no_standard_deviation(rows):
    (row,) = rows(a={})
    assert row.figures["val_loss"] == (0.25, None)
    (row,) = rows(b={"best": best(0.9)}, c={"best": best(0.92)})
    assert (row.seeds, row.figures["val_accuracy"].std) == ([0, 0], None)
    assert row.figures["val_accuracy"].mean == pytest.approx(0.91)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"lr": 0.1}},
        {"hardware": {"device": "Tesla T4"}},
        {"hardware": {"precision": "32-true"}},
        {"epochs": 1},
        {"status": "interrupted"},
        {"status": "running"},
    ],
)
def test_whatever_else_differs_is_a_row_of_its_own(rows, change):
    assert len(rows(a={}, b={"seed": 1, **change})) == 2


def test_seeds_that_were_stopped_early_at_different_epochs_are_one_row(rows):
    (row,) = rows(a={"epochs": 16}, b={"seed": 1, "epochs": 12}, c={"seed": 2, "epochs": 13})
    assert (row.seeds, row.epochs) == ([0, 1, 2], "12 to 16")
    assert {row.epochs for row in rows(d={}, e={"seed": 1}, f={"epochs": None, "status": "running"})} == {"20", ""}


def test_a_run_whose_settings_are_lost_stands_alone_and_says_so(make_run):
    paths = [make_run(name, seed=seed) for seed, name in enumerate("ab")]
    (paths[1] / "config.yaml").unlink()
    rows = rows_of([read_run(path) for path in paths], comparable=True)
    assert [row.marks for row in rows] == [("clean",), ("clean", "settings unknown")]


def test_a_seed_that_diverged_takes_the_mean_with_it(rows):
    (row,) = rows(a={}, b={"seed": 1, "best": best(0.95, float("nan"))})
    assert "val_loss" not in row.figures
    assert row.figures["val_accuracy"].mean == pytest.approx(0.95)
    assert "val_loss is no number" in row.marks


def test_the_first_epoch_is_kept_apart(rows):
    (row,) = rows(a={"epochs": 1, "seconds_per_epoch": 180.0})
    assert row.mean("seconds_first_epoch") == 180
    assert row.mean("seconds_per_epoch") is None
    assert row.mean("images_per_second") is None


def test_the_best_macro_f1_stands_first_and_runs_without_one_last(rows):
    shown = rows(low={"backbone": "low", "best": best(0.1)}, none={"backbone": "none", "best": None}, high={})
    assert [row.model for row in shown] == ["densenet201", "low", "none"]
    assert shown[2].marks == ("clean", "not validated")


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({"data": {"external": True}}, "external"),
        ({"data": {"external": None}}, "clean or external: unknown"),
        ({"data": {"train_on": "train+val"}, "best": None}, "no validation"),
        ({"data": {"bad_records": {"val": ["a", "b"]}}}, "2 bad val records left out"),
        ({"status": "interrupted", "epochs": 7}, "interrupted, 7 of 20 epochs"),
        ({"status": "running", "epochs": 0}, "running or killed, 0 of 20 epochs"),
        ({"status": None}, "status unknown, 20 of 20 epochs"),
    ],
)
def test_a_row_says_what_has_to_be_known_of_it(rows, change, mark):
    (row,) = rows(a=change)
    assert mark in row.marks


def test_hardware_is_told_as_far_as_it_is_known(rows):
    kept = [row.hardware for row in rows(a={}, b={"hardware": {"devices": None, "precision": None}})]
    assert kept == ["8 x core of TPU v5e, bf16-mixed", "core of TPU v5e"]
    (row,) = rows(c={"hardware": {"device": None}})
    assert row.hardware == "-"


def test_the_studys_row_has_its_figures():
    run = find_result(Run(path=Path(), backbone="densenet201"))
    assert run
    row = study_row(run)
    assert (row.model, row.of_study, row.run.data.size, row.epochs) == ("DenseNet201 (the study)", True, 512, "20")
    assert {name: figure.mean for name, figure in row.figures.items()} == {
        "val_loss": 0.2671, "val_accuracy": 0.9434, "seconds_per_epoch": 68,
    }  # fmt: skip
