"""Records to look at: those whose label may be wrong, that cost the most, or that the model is least sure of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# What a probability may miss its threshold by, as a mean of equal numbers may be a little more than they; cleanlab's.
_TOLERANCE = 1e-6


def label_suspects(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the records whose label may be wrong, by confident learning; the most suspicious first.

    Northcutt, Jiang and Chuang 2021, arXiv:1911.00068: a class's threshold is the mean probability that its records
    give it; a record's likely class is the most probable of those at or over their threshold. A suspect's likely class
    is not its label, nor is its most probable class. They are ordered by p(label) - max p(other), the lowest first. A
    class without records has no threshold, and is no record's likely class.

    `cleanlab.filter.find_label_issues(filter_by="confident_learning")` finds the same, but for records that reach two
    thresholds or more while their most probable class misses its own: it takes that class for the likely one.

    Args:
        probabilities: float (records, classes), of a model that was not trained on these records.
        labels: int64 (records,), in 0..classes-1.
    """
    confident = np.where(probabilities >= _thresholds(probabilities, labels) - _TOLERANCE, probabilities, -1)
    likely = np.where(confident.max(1) < 0, labels, confident.argmax(1))
    margins = _label_margins(probabilities, labels)
    suspects = np.flatnonzero((likely != labels) & (margins < 0))
    return suspects[np.argsort(margins[suspects], kind="stable")]


def highest_loss(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Positions of the `count` records with the least probable label, the highest loss first."""
    return np.argsort(probabilities[np.arange(len(labels)), labels], kind="stable")[:count]


def least_sure(probabilities: NDArray[np.floating[Any]], count: int) -> NDArray[np.int64]:
    """Positions of the `count` records with the smallest margin between first and second class, the smallest first."""
    first_two = np.sort(probabilities, 1)[:, -2:]
    return np.argsort(first_two[:, 1] - first_two[:, 0], kind="stable")[:count]


def _thresholds(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class, float64 (classes,), more than the tolerance; inf for one without records."""
    classes = probabilities.shape[1]
    count = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], classes)
    return np.divide(sums, count, out=np.full(classes, np.inf), where=count > 0).clip(2 * _TOLERANCE)


def _label_margins(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
    """p(label) - max p(other), (records,)."""
    others = probabilities.copy()
    records = np.arange(len(labels))
    others[records, labels] = -1
    return probabilities[records, labels] - others.max(1)
