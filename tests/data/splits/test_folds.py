"""Folds: each record is validated on once, and every class is spread as evenly as can be."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_flowers.data.splits.folds import fold_positions

LABELS = st.lists(st.integers(-1, 6), min_size=2, max_size=80).map(lambda labels: np.array(labels, np.int64))


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(2, 9), st.integers(0, 3))
def test_every_record_is_validated_on_in_one_fold(labels: np.ndarray, folds: int, seed: int) -> None:
    parts = [fold_positions(labels, folds, fold, seed) for fold in range(folds)]
    assert sorted(np.concatenate([val for _, val in parts]).tolist()) == list(range(len(labels)))
    for train, val in parts:
        assert sorted([*train.tolist(), *val.tolist()]) == list(range(len(labels)))
        assert (np.diff(train) > 0).all()
        assert (np.diff(val) > 0).all()


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(2, 9), st.integers(0, 3))
def test_folds_differ_by_one_record_at_most_in_size_and_in_each_class(
    labels: np.ndarray, folds: int, seed: int
) -> None:
    vals = [labels[fold_positions(labels, folds, fold, seed)[1]] for fold in range(folds)]
    assert np.ptp([len(val) for val in vals]) <= 1
    for label in np.unique(labels):
        assert np.ptp([(val == label).sum() for val in vals]) <= 1


def test_the_same_seed_gives_the_same_folds_and_another_others() -> None:
    labels = np.arange(100) % 5
    first, again, other = (fold_positions(labels, 5, 2, seed)[1].tolist() for seed in (7, 7, 8))
    assert first == again != other


def test_a_class_of_fewer_records_than_folds_is_no_fault() -> None:
    labels = np.array([0] * 20 + [1] * 2)
    counts = [(labels[fold_positions(labels, 5, fold, 0)[1]] == 1).sum() for fold in range(5)]
    assert sorted(counts) == [0, 0, 0, 1, 1]
