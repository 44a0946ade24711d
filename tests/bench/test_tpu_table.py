"""Estimates beside measured runs, and the table that they come from."""

import pytest

from lightning_flowers.rehearse.report import SPREAD

from . import tpu
from .tpu import Estimated, calibrations, read


def row(**changes):
    known = {"backbone": "resnet152", "chip": "v3-8", "size": 512, "batch": 128, "gigabytes": 8.2, "versions": "v"}
    times = {"compile_seconds": 150, "million_cycles": 250.0, "milliseconds": 266.0}
    return Estimated(**{**known, **times, "train_seconds": 26.6, "val_seconds": 4.4, **changes})


@pytest.fixture
def table(tmp_path, monkeypatch):
    path = tmp_path / "estimates.csv"
    monkeypatch.setattr(tpu, "TABLE", path)
    return path


def test_measured_seconds_are_held_against_estimates_of_the_same_size_and_batch(table):
    others = (row(chip="v5e-8", train_seconds=1.0), row(size=224, train_seconds=1.0), row(batch=256, train_seconds=1.0))
    tpu.write([*(other for other in others if other.chip == "v5e-8"), row()])
    assert [(row.backbone, row.measured, ratio) for row, ratio in calibrations()] == [("resnet152", 62, 2.0)]


def test_what_does_not_fit_is_no_calibration(table):
    tpu.write([row(train_seconds=None, val_seconds=None)])
    assert calibrations() == []


def test_a_table_goes_on_where_it_was(table, monkeypatch):
    done = []
    facts = {
        "graphs": [{"stage": "training step", "needed": 8.2e9, "cycles": 187.9e6, "seconds": 0.125}],
        "estimated": {"compiling": 160.0, "train": 12.5, "val": 0.8, "once": 0.0},
    }
    monkeypatch.setattr(tpu, "rehearse", lambda row: done.append(row) or facts)
    monkeypatch.setattr(tpu.metadata, "version", lambda name: "1")
    made = tpu._make(anew=False)
    tpu.write(next(made))
    tpu.write(next(made))
    assert [one.milliseconds for one in read()] == [125.0, 125.0]
    for rows in tpu._make(anew=False):
        tpu.write(rows)
    assert sorted(done) == sorted(tpu.wanted())
    monkeypatch.setattr(tpu.metadata, "version", lambda name: "2")
    assert len(next(tpu._make(anew=False))) == 1


def test_the_tables_of_the_readme_are_of_the_file():
    readme = tpu.TABLE.with_name("README.md").read_text("utf-8")
    for part in tpu.markdown(read()).split("\n\n"):
        assert part in readme


def test_the_front_page_has_the_rows_of_one_chip():
    front = (tpu.REPOSITORY / "README.md").read_text("utf-8")
    rows = [line for line in tpu.markdown(read()).splitlines() if "| v5e-8 |" in line]
    assert len(rows) == 5
    assert "\n".join(rows) in front


def test_a_rehearsal_tells_how_far_measured_runs_were_from_the_table():
    ratios = [ratio for _, ratio in calibrations()]
    assert SPREAD.startswith(f"{len(ratios)} runs that others measured on a v3-8")
    assert f"took {min(ratios):.1f} to {max(ratios):.1f} times as long" in SPREAD
