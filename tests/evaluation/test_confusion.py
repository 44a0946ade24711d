import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_flowers.evaluation.confusion import class_scores, confusion_matrix, strongest_confusions

CLASSES = 6
LABELS = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


@settings(deadline=None)
@given(LABELS)
def test_the_scores_of_each_class_equal_scikit_learns(pairs):
    true, predicted = np.array(pairs).T
    confusion = confusion_matrix(true, predicted, CLASSES)
    assert np.array_equal(confusion, sklearn.metrics.confusion_matrix(true, predicted, labels=range(CLASSES)))
    wanted = sklearn.metrics.precision_recall_fscore_support(true, predicted, labels=range(CLASSES), zero_division=0.0)  # pyright: ignore[reportArgumentType]
    found = class_scores(confusion)
    for ours, theirs in zip(found[:4], wanted, strict=True):
        assert np.asarray(ours) == pytest.approx(np.asarray(theirs))
    assert found.predicted.tolist() == np.bincount(predicted, minlength=CLASSES).tolist()


def test_the_strongest_confusions_come_first_and_hits_are_none():
    confusion = np.array([[9, 2, 0], [5, 8, 0], [0, 1, 7]])
    assert strongest_confusions(confusion, 2) == [(1, 0, 5), (0, 1, 2)]
    assert len(strongest_confusions(confusion, 99)) == 3
