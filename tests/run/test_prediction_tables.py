import csv

import numpy as np

from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.prediction_tables import write_answers
from lightning_flowers.run.predictions import Predictions

PREDICTIONS = Predictions(np.array(["a", "b"]), np.array([[0.25, 0.75], [0.9, 0.1]], np.float32))


def rows(folder):
    return list(csv.reader(folder.answers("test").read_text("utf-8").splitlines()))


def test_each_record_has_its_class_by_name(tmp_path):
    folder = RunFolder(tmp_path)
    write_answers(folder, "test", PREDICTIONS, ("rose", "lily, white"))
    header = ["id", "label", "name", "probability"]
    assert rows(folder) == [header, ["a", "1", "lily, white", "0.750000"], ["b", "0", "rose", "0.900000"]]


def test_labels_decided_otherwise_come_with_their_own_probability(tmp_path):
    folder = RunFolder(tmp_path)
    write_answers(folder, "test", PREDICTIONS, (), np.array([0, 0]))
    assert rows(folder)[1:] == [["a", "0", "0", "0.250000"], ["b", "0", "0", "0.900000"]]
