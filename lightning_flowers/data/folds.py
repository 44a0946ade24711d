"""Cross-validation: stratified folds of labelled records."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold


def fold_positions(
    labels: NDArray[np.int64], folds: int, fold: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The positions to train on and to validate on, each in ascending order.

    Every record is validated on in exactly one fold, and each class's records are spread over the folds as evenly as
    can be.

    Args:
        labels: int64 (records,); a damaged record's is -1.
        folds: at least 2, at most the number of records.
        fold: in 0..folds-1.
        seed: of the shuffling.

    Returns:
        Two int64 arrays that together hold 0..records-1.
    """
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class of fewer records than folds is missing from some of them: the competition has classes of 18.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = list(splitter.split(np.zeros(len(labels)), labels))
    train, val = parts[fold]
    return train.astype(np.int64), val.astype(np.int64)
