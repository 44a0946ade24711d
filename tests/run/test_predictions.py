import numpy as np
import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.run.predictions import Predictions, merge

IDS = np.array(["a", "b", "c"])
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], np.float32)


def test_merge_puts_rows_in_the_records_order_and_drops_padding():
    index = np.array([2, -1, 0, 1])
    rows = np.array([[2.0], [9.0], [0.0], [1.0]], np.float32)
    assert merge(3, index, rows).tolist() == [[0.0], [1.0], [2.0]]


@pytest.mark.parametrize("index", [[0, 1], [0, 1, 1], [0, 1, 2, 2], [0, 1, 3]])
def test_merge_refuses_a_record_missing_or_twice(index):
    with pytest.raises(UserError, match="not predicted exactly once"):
        merge(3, np.array(index), np.zeros((len(index), 1), np.float32))


@pytest.mark.parametrize("labels", [None, np.array([0, 1, 1])])
def test_predictions_come_back_as_saved(tmp_path, labels):
    path = tmp_path / "predictions" / "val.npz"
    Predictions(IDS, PROBABILITIES, labels).save(path)
    loaded = Predictions.load(path)
    assert loaded.ids.tolist() == IDS.tolist()
    assert loaded.probabilities.dtype == np.float32
    assert np.array_equal(loaded.probabilities, PROBABILITIES)
    assert (None if loaded.labels is None else loaded.labels.tolist()) == (None if labels is None else labels.tolist())
    assert not loaded.external
    assert [p.name for p in path.parent.iterdir()] == ["val.npz"]


def test_missing_predictions_say_how_to_make_them(tmp_path):
    with pytest.raises(UserError, match="make them with predict --run"):
        Predictions.load(tmp_path / "predictions" / "val.npz")
