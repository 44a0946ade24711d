import csv
from typing import Any

import pytest

from lightning_flowers.run.history import COLUMNS, History, describe, to_csv

ROW = {
    "epoch": 1,
    **{name: 0.5 for name in COLUMNS if name.startswith(("train_", "val_"))},
    "learning_rate": 1e-3,
    "seconds": 12.0,
    "images_per_second": 100.0,
    "data_wait_seconds": 0.1,
}

NOBODY: Any = None


def of(epoch, macro_f1):
    return {**ROW, "epoch": epoch, "val_macro_f1": macro_f1}


def test_the_csv_has_a_row_for_each_epoch_and_empty_cells_for_what_is_missing():
    trained_only = {name: value for name, value in of(2, 0.0).items() if not name.startswith("val_")}
    rows = list(csv.DictReader(to_csv([ROW, trained_only]).splitlines()))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[0]["learning_rate"]) == pytest.approx(1e-3)
    assert rows[1]["val_loss"] == ""


def test_the_best_epoch_is_the_first_of_the_highest():
    history = History(None)
    history.rows = [of(1, 0.3), of(2, 0.8), of(3, 0.8), of(4, 0.5)]
    best = history.best()
    assert best is not None
    assert best["epoch"] == 2


def test_without_validation_there_is_no_best_epoch():
    history = History(None)
    history.rows = [{"epoch": 1, "train_loss": 1.0}]
    assert history.best() is None


def test_the_rows_travel_in_the_checkpoint():
    history, resumed = History(None), History(None)
    history.rows = [of(1, 0.3)]
    resumed.setup(NOBODY, NOBODY, "fit")
    resumed.load_state_dict(history.state_dict())
    assert resumed.rows == history.rows


def test_predicting_with_the_best_epoch_forgets_no_later_one():
    history = History(None)
    history.rows = [of(1, 0.3)]
    best = history.state_dict()
    history.rows = [of(1, 0.3), of(2, 0.2)]
    history.setup(NOBODY, NOBODY, "predict")
    history.load_state_dict(best)
    assert [row["epoch"] for row in history.rows] == [1, 2]


def test_an_epoch_is_told_in_one_line():
    line = describe(of(3, 0.5), 6)
    assert line.startswith("epoch 3/6 | train loss 0.5000")
    assert "12.0 s, 100.0 images/s" in line
    assert "\n" not in line
