import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_flowers.evaluation.suspects import highest_loss, label_suspects, least_sure


def cleanlabs(probabilities, labels):
    return find_label_issues(
        labels, probabilities, filter_by="confident_learning", return_indices_ranked_by="normalized_margin", n_jobs=1
    )


def noisy(seed, records=60, classes=4):
    """Probabilities that lean to a true class, and labels of which a fifth are others; each class has a record."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), rng.integers(0, classes, records - classes)])
    probabilities = rng.dirichlet(np.full(classes, 0.4), records) + rng.uniform(0, 2) * np.eye(classes)[truth]
    wrong = (rng.uniform(size=records) < 0.2) & (np.arange(records) >= classes)
    labels = np.where(wrong, rng.integers(0, classes, records), truth)
    return probabilities / probabilities.sum(1, keepdims=True), labels


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_suspects_are_cleanlabs_but_for_a_top_class_below_its_threshold(seed):
    probabilities, labels = noisy(seed)
    thresholds = np.array([probabilities[labels == label, label].mean() for label in range(4)])
    over = probabilities >= thresholds - 1e-6
    records, top = np.arange(len(labels)), probabilities.argmax(1)
    differing = (over.sum(1) > 1) & ~over[records, top]
    ours, theirs = label_suspects(probabilities, labels), cleanlabs(probabilities, labels)
    assert [one for one in ours if not differing[one]] == [one for one in theirs if not differing[one]]


def test_suspects_and_their_order_are_cleanlabs_where_the_model_is_sure():
    rng = np.random.default_rng(3)
    truth = np.arange(200) % 5
    probabilities = rng.dirichlet(np.ones(5), 200) * 0.5 + 0.5 * np.eye(5)[truth]
    labels = np.where(np.arange(200) % 9 == 0, (truth + 1) % 5, truth)
    found = label_suspects(probabilities, labels)
    assert found.dtype == np.int64
    assert found.tolist() == cleanlabs(probabilities, labels).tolist()
    assert set(found.tolist()) <= set(np.flatnonzero(labels != truth).tolist())
    assert len(found) > 10


def test_the_likely_class_is_one_that_reaches_its_threshold():
    """The first record's top class misses its threshold, and its label is the best of those that reach theirs."""
    rows = [[0.5, 0.3, 0.2], [0.9, 0.1, 0], [0.9, 0.1, 0], [0.7, 0.3, 0], [0.8, 0, 0.2]]
    probabilities, labels = np.array(rows), np.array([1, 0, 0, 1, 2])
    assert label_suspects(probabilities, labels).tolist() == []
    assert cleanlabs(probabilities, labels).tolist() == [0]


def test_a_class_without_records_is_no_records_likely_class():
    probabilities = np.array([[0.1, 0.1, 0.8], [0.2, 0.8, 0]], np.float32)
    assert label_suspects(probabilities, np.array([0, 1])).tolist() == []


def test_a_class_that_no_record_believes_in_is_not_likely():
    """The third record reaches no threshold but the 0 of the first class, which is none."""
    probabilities, labels = np.array([[0, 1, 0], [0, 0.9, 0.1], [0, 0.6, 0.4], [0, 0.3, 0.7]]), np.array([0, 1, 2, 2])
    assert label_suspects(probabilities, labels).tolist() == cleanlabs(probabilities, labels).tolist() == [0]


def test_right_labels_are_no_suspects():
    assert label_suspects(np.eye(3, dtype=np.float32), np.arange(3)).tolist() == []


def test_the_highest_losses_and_the_smallest_margins_come_first():
    probabilities = np.array([[0.5, 0.4, 0.1], [0.9, 0.05, 0.05], [0.1, 0.45, 0.45]], np.float32)
    assert highest_loss(probabilities, np.array([1, 0, 0]), 2).tolist() == [2, 0]
    assert least_sure(probabilities, 2).tolist() == [2, 0]
    assert least_sure(probabilities, 9).tolist() == [2, 0, 1]


@pytest.mark.parametrize("find", [lambda p: least_sure(p, 5), lambda p: highest_loss(p, np.zeros(4, np.int64), 5)])
def test_records_that_are_alike_keep_their_order(find):
    assert find(np.full((4, 2), 0.5, np.float32)).tolist() == [0, 1, 2, 3]
