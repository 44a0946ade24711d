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
        cross_validated: of the same, each decided by the tau that was fitted on the other folds.
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
    log_prior = log_prior_of(labels, classes)
    tau = _fit(probabilities, labels, log_prior)

    def decide_rest(fit: NDArray[np.int64], rest: NDArray[np.int64]) -> NDArray[np.int64]:
        return decide_as(probabilities[fit], labels[fit], probabilities[rest], log_prior)

    three = (_decide(probabilities, tau, log_prior), out_of_fold(labels, decide_rest), probabilities.argmax(1))
    return Adjustment(tau, log_prior, *(macro_f1(labels, one, classes) for one in three))


def log_prior_of(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """The log of each class's share of the labels, float64 (classes,), each class counted once more than it is there.

    In cross-validation too it is that of all labels: of a class of few records the other folds lack just those that are
    held out, so that their prior would tell which class to prefer.
    """
    counts = np.bincount(labels, minlength=classes) + 1
    return np.log(counts / counts.sum())


def decide_as(
    fitted_on: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating[Any]],
    log_prior: NDArray[np.float64],
) -> NDArray[np.int64]:
    """The class of each record, int64 (records,), by the prior and a tau that is fitted on others and their labels."""
    return _decide(probabilities, _fit(fitted_on, labels, log_prior), log_prior)


def macro_f1(labels: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> float:
    """The mean F1 over all classes, one that is neither true nor decided counting 0; 0 for no records.

    Args:
        labels, decided: int64 (records,), in 0..classes-1.
    """
    return scores(confusion_matrix(labels, decided, classes)).macro_f1


def _fit(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], log_prior: NDArray[np.float64]) -> float:
    found = [macro_f1(labels, _decide(probabilities, tau, log_prior), len(log_prior)) for tau in TAUS]
    return TAUS[int(np.argmax(found))]


def _decide(probabilities: NDArray[np.floating[Any]], tau: float, log_prior: NDArray[np.float64]) -> NDArray[np.int64]:
    return (log_probabilities(probabilities) - tau * log_prior).argmax(1)
