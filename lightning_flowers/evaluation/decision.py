"""Which class to answer with, for macro F1 where classes differ in size: Menon et al. 2021, arXiv:2007.07314."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.evaluation.calibration import log_probabilities
from lightning_flowers.evaluation.confusion import confusion_matrix, scores
from lightning_flowers.evaluation.cross_validation import out_of_fold

Decision = Literal["argmax", "adjusted"]
TAUS = tuple(step / 10 for step in range(21))


@dataclass(frozen=True, eq=False)
class Adjustment:
    """A logit adjustment that was fitted on labelled records, and their macro F1 over all classes.

    Attributes:
        tau: how far rare classes are preferred; 0 is plain argmax.
        log_prior: float64 (classes,), log of each class's share.
        in_sample: of the records it was fitted on.
        cross_validated: of the same, each decided by what was fitted on the other folds.
        plain: of the most probable classes; where these are a blend's, by weights of the other folds too.
    """

    tau: float
    log_prior: NDArray[np.float64]
    in_sample: float
    cross_validated: float
    plain: float

    def decide(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """The class of each record, int64 (records,), of its probabilities (records, classes)."""
        return _decide(probabilities, self.tau, self.log_prior)

    def facts(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "log_prior": self.log_prior.tolist()}

    def describe(self) -> str:
        """In a line: the scores, and whether the adjustment is to be trusted."""
        text = (
            f"adjusted with tau {self.tau:.1f}: val macro F1 {self.cross_validated:.4f} cross-validated "
            f"({self.in_sample:.4f} in-sample), {self.plain:.4f} by argmax, cross-validated too"
        )
        return f"{text}: worse than argmax" if self.cross_validated < self.plain else text


def fit_adjustment(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Adjustment:
    """Fit tau in 0..2 for the macro F1, the smaller of equals; the prior is of the labels' counts, each plus one.

    argmax(log p - tau log prior) is the post-hoc logit adjustment of Menon et al. (section 4.2); theirs takes tau 1 and
    the prior of train for the balanced error.

    Args:
        probabilities: float (records, classes).
        labels: int64 (records,), at least one.
    """
    classes = probabilities.shape[1]
    tau, log_prior = _fit(probabilities, labels)
    decided = _decide(probabilities, tau, log_prior)
    held_out = out_of_fold(labels, lambda fit, rest: decide_as(probabilities[fit], labels[fit], probabilities[rest]))
    three = (decided, held_out, probabilities.argmax(1))
    return Adjustment(tau, log_prior, *(macro_f1(labels, one, classes) for one in three))


def decide_as(
    fitted_on: NDArray[np.floating[Any]], labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]
) -> NDArray[np.int64]:
    """The class of each record, int64 (records,), by an adjustment that is fitted on others and their labels."""
    return _decide(probabilities, *_fit(fitted_on, labels))


def macro_f1(labels: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> float:
    """The mean F1 over all classes, one that is neither true nor decided counting 0; 0 for no records.

    Args:
        labels, decided: int64 (records,), in 0..classes-1.
    """
    return scores(confusion_matrix(labels, decided, classes)).macro_f1


def _fit(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes) + 1
    log_prior = np.log(counts / counts.sum())
    found = [macro_f1(labels, _decide(probabilities, tau, log_prior), classes) for tau in TAUS]
    return TAUS[int(np.argmax(found))], log_prior


def _decide(probabilities: NDArray[np.floating[Any]], tau: float, log_prior: NDArray[np.float64]) -> NDArray[np.int64]:
    return (log_probabilities(probabilities) - tau * log_prior).argmax(1)
