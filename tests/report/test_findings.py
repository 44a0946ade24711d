import numpy as np
import pytest

from lightning_flowers.report.findings import RECORDS, find
from lightning_flowers.run.predictions import Predictions

NAMES = ("rose", "iris", "lily")


@pytest.fixture
def found():
    rows = [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0]]
    labels = np.array([0, 1, 1, 1])
    return find(Predictions(np.array(["a", "b", "c", "d"]), np.array(rows, np.float32), labels), NAMES)


def test_records_carry_their_label_and_what_they_were_taken_for(found):
    assert [record.id for record in found.worst] == ["d", "b", "a", "c"]
    worst = found.worst[0]
    assert (worst.name, worst.other_name, worst.right) == ("iris", "rose", False)
    assert (worst.probability, worst.other_probability) == pytest.approx((0.1, 0.9))
    assert found.worst[-1].right
    assert [record.id for record in found.unsure] == ["b", "a", "c", "d"]


def test_suspects_carry_another_class_than_their_label(found):
    assert [(record.id, record.name, record.other_name) for record in found.suspects] == [("d", "iris", "rose")]


def test_classes_and_confusions_are_named(found):
    assert [(row.label, row.name, row.support, row.predicted) for row in found.classes] == [
        (0, "rose", 1, 3),
        (1, "iris", 3, 1),
        (2, "lily", 0, 0),
    ]
    assert [(pair.name, pair.predicted_name, pair.records, pair.support) for pair in found.confusions] == [
        ("iris", "rose", 2, 3)
    ]
    assert (found.records, found.scores.accuracy) == (4, 0.5)


def test_the_hardest_class_comes_first_and_those_not_seen_last(found):
    assert [row.name for row in found.hardest()] == ["rose", "iris", "lily"]


def test_of_many_records_the_first_are_kept(predict):
    found = find(predict(200), [f"class {label}" for label in range(4)])
    assert len(found.worst) == len(found.unsure) == RECORDS
    losses = [record.probability for record in found.worst]
    assert losses == sorted(losses)
    assert (found.before.count.sum(), found.after.count.sum()) == (200, 200)
