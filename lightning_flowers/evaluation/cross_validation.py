"""What a rule is worth on records that it was not fitted on: cross-validation inside a labelled split."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.splits.folds import fold_positions

FOLDS, SEED = 5, 0


def out_of_fold(
    labels: NDArray[np.int64], answer: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[Any]]
) -> NDArray[Any]:
    """The answer for each record, of a rule that was fitted on the other folds.

    The folds are stratified: 5, or as many as there are records if these are fewer. That of a single record is fitted
    on none.

    Args:
        labels: int64 (records,), at least one.
        answer: takes the positions to fit on and those to answer for, and gives the latter's answers.

    Returns:
        The answers (records, ...), in the records' order.
    """
    folds = min(FOLDS, len(labels))
    parts = [fold_positions(labels, folds, fold, SEED) for fold in range(folds)]
    order = np.argsort(np.concatenate([held_out for _, held_out in parts]))
    return np.concatenate([answer(*part) for part in parts])[order]
