"""Cross-validation: stratified folds of labelled records."""

import numpy as np
from numpy.typing import NDArray


def fold_positions(
    labels: NDArray[np.int64], folds: int, fold: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The positions to train on and to validate on, each in ascending order.

    Every record is validated on in exactly one fold. The folds' sizes differ by one at most, and so does the number
    of records that two folds have of one class; a class of fewer records than folds is missing from some.

    Args:
        labels: int64 (records,); a damaged record's is -1, which counts as a class.
        folds: at least 2, at most the number of records.
        fold: in 0..folds-1.

    Returns:
        Two int64 arrays that together hold 0..records-1.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    of_record = np.empty(len(labels), np.int64)
    of_record[by_class] = np.arange(len(labels)) % folds
    return np.flatnonzero(of_record != fold), np.flatnonzero(of_record == fold)
