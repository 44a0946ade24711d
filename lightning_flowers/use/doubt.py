"""When a model had better say that it is not sure: fitted on a run's val predictions."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.evaluation.calibration import soften
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.use.predictor import Predictor

KEEP = 0.95  # of right answers that are to be given as sure


@dataclass(frozen=True)
class Doubt:
    """The least probable answer that is called sure, and how often that errs, on the val pictures it was fitted on.

    Attributes:
        threshold: an answer that is less probable is doubted, 0..1.
        right_kept: share of val's right answers that are called sure, 0..1.
        wrong_passed: share of val's wrong answers that are called sure, 0..1; None where it has none.
        right, wrong: answers on val.
    """

    threshold: float
    right_kept: float
    wrong_passed: float | None
    right: int
    wrong: int


def fit_doubt(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], keep: float = KEEP) -> Doubt | None:
    """The highest threshold that doubts no more than 1 - `keep` of the right answers; None if there is no right answer.

    Args:
        probabilities: float (records, classes), calibrated.
        labels: int64 (records,).
        keep: share, 0..1.
    """
    top, is_right = probabilities.max(1), probabilities.argmax(1) == labels
    right, wrong = np.sort(top[is_right]), top[~is_right]
    if not len(right):
        return None
    threshold = float(right[len(right) - math.ceil(keep * len(right))])
    passed = float((wrong >= threshold).mean()) if len(wrong) else None
    return Doubt(threshold, float((right >= threshold).mean()), passed, len(right), len(wrong))


def doubt_of(predictor: Predictor) -> Doubt | None:
    """The doubt fitted on val predictions of the run that a predictor was loaded from; None if it has none."""
    if not predictor.calibrated:
        return None
    val = Predictions.load(RunFolder(predictor.path).predictions("val"), labelled=True)
    assert val.labels is not None
    return fit_doubt(soften(val.probabilities, predictor.temperature), val.labels)
