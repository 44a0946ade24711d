import csv

import numpy as np
import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.prediction_writer import merge
from lightning_flowers.run.predictions import Predictions, write_answers

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
    Predictions(IDS, PROBABILITIES, labels).save(str(path))
    loaded = Predictions.load(path)
    assert loaded.ids.tolist() == IDS.tolist()
    assert loaded.probabilities.dtype == np.float32
    assert np.array_equal(loaded.probabilities, PROBABILITIES)
    assert (None if loaded.labels is None else loaded.labels.tolist()) == (None if labels is None else labels.tolist())
    assert not loaded.external
    assert [p.name for p in path.parent.iterdir()] == ["val.npz"]


def test_missing_predictions_say_how_to_make_them(tmp_path):
    with pytest.raises(UserError, match=r"make them with predict --run '.*/a b'"):
        Predictions.load(tmp_path / "a b" / "predictions" / "val.npz")


def _save(path, **changes):
    arrays = {"ids": IDS, "probabilities": PROBABILITIES, "external": np.array(False)} | changes
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probabilities": np.array([[0.9, 0.1], [np.nan, 0.8], [0.5, 0.5]], np.float32)}, "record b"),
        ({"probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.5, np.inf]], np.float32)}, "record c"),
        ({"probabilities": np.array([[-0.9, 1.9], [0.2, 0.8], [0.5, 0.5]], np.float32)}, "record a"),
        ({"probabilities": PROBABILITIES[:2]}, "damaged"),
        ({"probabilities": PROBABILITIES * 0}, "do not sum to 1"),
        ({"probabilities": np.ones((3, 1), np.float32)}, "do not sum to 1"),
        ({"probabilities": PROBABILITIES.astype(str)}, "no numbers"),
        ({"labels": np.array([0.0, 1.0, 1.0])}, "no numbers"),
        ({"labels": np.array([0, 1])}, "damaged"),
        ({"labels": np.array([0, 1, 2])}, "damaged"),
        ({"ids": np.array(["a", "b", "a"])}, "the id a stands more than once"),
        ({"ids": np.array(["a", "b", {}], object)}, "damaged"),
    ],
)
def test_predictions_that_cannot_be_used_are_refused(tmp_path, changes, said):
    path = _save(tmp_path / "val.npz", **changes)
    with pytest.raises(UserError, match=said) as refused:
        Predictions.load(path)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_a_file_that_holds_no_predictions_is_refused(tmp_path, content):
    path = tmp_path / "val.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged") as refused:
        Predictions.load(path)
    assert "pickle" not in str(refused.value)


def test_labels_that_are_needed_and_missing_are_told_of(tmp_path):
    with pytest.raises(UserError, match="no labels"):
        Predictions.load(_save(tmp_path / "test.npz"), labelled=True)


ANSWERED = Predictions(np.array(["a", "b"]), np.array([[0.25, 0.75], [0.9, 0.1]], np.float32))


def rows(folder):
    return list(csv.reader(folder.answers("test").read_text("utf-8").splitlines()))


def test_each_record_has_its_class_by_name(tmp_path):
    folder = RunFolder(tmp_path)
    write_answers(folder, "test", ANSWERED, ("rose", "lily, white"))
    header = ["id", "label", "name", "probability"]
    assert rows(folder) == [header, ["a", "1", "lily, white", "0.750000"], ["b", "0", "rose", "0.900000"]]


def test_labels_decided_otherwise_come_with_their_own_probability(tmp_path):
    folder = RunFolder(tmp_path)
    write_answers(folder, "test", ANSWERED, (), np.array([0, 0]))
    assert rows(folder)[1:] == [["a", "0", "0", "0.250000"], ["b", "0", "0", "0.900000"]]
