"""When a model had better say that it is not sure: fitted on a run's val predictions."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.evaluation.calibration import soften
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.use.predictor import Predictor

KEEP = 0.95  # of right answers that are to be given as sure


class Doubt(NamedTuple):
    """A threshold on the top probability, and how often it errs, on the val pictures that it was fitted on.

    Attributes:
        threshold: an answer that is less probable is doubted, 0..1.
        kept: share of right answers that are not doubted, 0..1.
        passed: share of wrong answers that are not doubted, 0..1; nan where val has no wrong answer.
        right, wrong: answers on val.
    """

    threshold: float
    kept: float
    passed: float
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
    passed = float((wrong >= threshold).mean()) if len(wrong) else float("nan")
    return Doubt(threshold, float((right >= threshold).mean()), passed, len(right), len(wrong))


def val_of(predictor: Predictor) -> Path:
    """The file of the val predictions of the run that a predictor was loaded from; there may be none."""
    folder = predictor.path.absolute().parent.parent if predictor.path.is_file() else predictor.path
    return RunFolder(folder).predictions("val")


def doubt_of(predictor: Predictor) -> Doubt | None:
    """The doubt fitted on val predictions of the run that a predictor was loaded from; None if it has none."""
    if not predictor.calibrated:
        return None
    val = Predictions.load(val_of(predictor), labelled=True)
    assert val.labels is not None
    temperature = predictor.temperature * predictor.members[0].temperature
    return fit_doubt(soften(val.probabilities, temperature), val.labels)
