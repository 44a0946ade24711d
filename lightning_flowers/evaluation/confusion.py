"""Confusion matrices and what they say: accuracy, macro F1, and the scores of each class."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scores(NamedTuple):
    """What a confusion matrix says.

    accuracy: of all images, 0..1; nan if there is none.
    macro_f1: mean F1 over all classes; a class with no true and no predicted image counts 0 (the competition's score).
    macro_f1_present: mean F1 over the classes with a true or a predicted image.
    """

    accuracy: float
    macro_f1: float
    macro_f1_present: float


def scores(confusion: NDArray[np.int64]) -> Scores:
    """Scores of a confusion matrix (classes, classes) whose rows are the true classes.

    F1 of a class is 2 TP / (2 TP + FP + FN), as in scikit-learn's `f1_score`, with 0 for 0/0.
    """
    f1, seen = class_scores(confusion).f1, confusion.sum(0) + confusion.sum(1)
    total = int(confusion.sum())
    accuracy = float(np.trace(confusion) / total) if total else float("nan")
    return Scores(accuracy, float(f1.mean()), float(f1[seen > 0].mean()) if total else float("nan"))


class ClassScores(NamedTuple):
    """Scores of each class, all of shape (classes,).

    precision, recall, f1: float64 in 0..1, as scikit-learn's with `zero_division=0`.
    support: int64, records whose label it is.
    predicted: int64, records that were taken for it.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]
    predicted: NDArray[np.int64]


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often a record of each class was taken for each, int64 (classes, classes); rows are the true classes.

    Args:
        labels, predicted: int64 (records,), in 0..classes-1.
    """
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def class_scores(confusion: NDArray[np.int64]) -> ClassScores:
    """The scores of each class of a confusion matrix (classes, classes) whose rows are the true classes."""
    hits, support, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    return ClassScores(
        _ratio(hits, predicted), _ratio(hits, support), _ratio(2 * hits, support + predicted), support, predicted
    )


def strongest_confusions(confusion: NDArray[np.int64], count: int) -> list[tuple[int, int, int]]:
    """The `count` pairs of classes that were mistaken most often: (true, predicted, records), most records first."""
    wrong = confusion * (1 - np.eye(len(confusion), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [(int(cell // len(wrong)), int(cell % len(wrong)), int(wrong.flat[cell])) for cell in order]
    return [pair for pair in pairs if pair[2]]


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
