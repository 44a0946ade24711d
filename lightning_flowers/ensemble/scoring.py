"""What each blend is worth on val: fitted on all of it, and held to the folds it was not fitted on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.ensemble.search import best_member, search_weights
from lightning_flowers.evaluation.blend import METHODS, Terms
from lightning_flowers.evaluation.calibration import expected_calibration_error, log_loss, reliability
from lightning_flowers.evaluation.confusion import Scores, confusion_matrix, scores
from lightning_flowers.evaluation.cross_validation import out_of_fold
from lightning_flowers.evaluation.decision import Decision, decide_as, log_prior_of, macro_f1

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
# Gives the weights (members,) for the records at some positions.
Choice = Callable[[Terms, Labels, NDArray[np.int64]], NDArray[np.float64]]

BEST_RUN, EQUAL, SEARCHED, GIVEN = "best run", "equal weights", "searched weights", "given weights"
PLAIN = "none"  # views of each picture: itself alone
CHOICES: Mapping[str, Choice] = {
    BEST_RUN: best_member,
    EQUAL: lambda terms, labels, records: np.full(len(terms.values), 1 / len(terms.values)),
    SEARCHED: search_weights,
}


class Option(NamedTuple):
    """A way from the runs' probabilities to labels: the views of each picture, how runs are weighed (by one of CHOICES,
    or with these weights) and blended, how classes are decided for."""

    views: str
    weights: str | tuple[float, ...]
    method: str
    decision: Decision


class Val:
    """Val, prepared for blends, and the weights that were found on parts of it: options share them.

    Args:
        probabilities: float (members, records, classes) by the views that they were made with.
        labels: int64 (records,).
    """

    def __init__(self, probabilities: Mapping[str, Probabilities], labels: Labels) -> None:
        self.probabilities, self.labels = probabilities, labels
        self.records, self.classes = np.arange(len(labels)), probabilities[PLAIN].shape[2]
        self._log_prior = log_prior_of(labels, self.classes)
        self._terms: dict[tuple[str, str], Terms] = {}
        self._weights: dict[tuple[str, str, str, bytes], NDArray[np.float64]] = {}

    def terms(self, option: Option) -> Terms:
        """All records, ready to be blended."""
        key = option.views, option.method
        if key not in self._terms:
            self._terms[key] = Terms(option.method, self.probabilities[option.views])
        return self._terms[key]

    def weights(self, option: Option, records: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """The weight of each member, float64 (members,), fitted on the records at some positions, or on all."""
        if not isinstance(option.weights, str):
            return np.array(option.weights)
        fit = self.records if records is None else records
        key = (option.views, option.method, option.weights, fit.tobytes())
        if key not in self._weights:
            self._weights[key] = CHOICES[option.weights](self.terms(option), self.labels, fit)
        return self._weights[key]

    def answers(self, option: Option, fit: Labels, rest: Labels) -> Labels:
        """The labels of `rest` by what was fitted on `fit`, positions both."""
        blend = self.terms(option).blend(self.weights(option, fit))
        if option.decision == "argmax":
            return blend[rest].argmax(1)
        return decide_as(blend[fit], self.labels[fit], blend[rest], self._log_prior)

    def cross_validated(self, option: Option, records: NDArray[np.int64] | None = None) -> float:
        """Macro F1 over all classes of records, each answered for by what was fitted on the other folds of them."""
        among = self.records if records is None else records
        own = self.labels[among]
        return macro_f1(
            own, out_of_fold(own, lambda fit, rest: self.answers(option, among[fit], among[rest])), self.classes
        )


@dataclass(frozen=True, eq=False)
class Candidate:
    """A blend and its scores on val.

    Attributes:
        name: a run's, or how the weights were chosen.
        method: of METHODS; None of a single run, which every method leaves as it is.
        weights: float64 (members,), that sum to 1.
        blend: float32 (records, classes).
        in_sample: of the records that weights and decision were fitted on.
        cross_validated: macro F1 over all classes of decisions for which both were fitted on the other folds.
        argmax_cross_validated: the same of the most probable classes, for which only the weights are fitted.
        log_loss, calibration_error: of `blend`.
    """

    name: str
    method: str | None
    weights: NDArray[np.float64]
    blend: NDArray[np.float32]
    in_sample: Scores
    cross_validated: float
    argmax_cross_validated: float
    log_loss: float
    calibration_error: float


def score_candidates(
    names: Sequence[str],
    probabilities: Probabilities,
    labels: Labels,
    decision: Decision,
    given: tuple[float, ...] | None = None,
) -> list[Candidate]:
    """Each single run, the best of them, and the ways to blend them.

    Args:
        probabilities: float (members, records, classes).
        labels: int64 (records,).
        given: weights of one's own, of each member.
    """
    val = Val({PLAIN: probabilities}, labels)
    alone: list[tuple[float, ...]] = [tuple(unit) for unit in np.eye(len(names)).tolist()]
    singly = [*zip(names, alone, strict=True), (BEST_RUN, BEST_RUN)]
    found = [_score(val, name, None, Option(PLAIN, one, "arithmetic", decision)) for name, one in singly]
    blends: dict[str, str | tuple[float, ...]] = {EQUAL: EQUAL, SEARCHED: SEARCHED}
    if given is not None:
        blends[GIVEN] = tuple((np.array(given) / np.sum(given)).tolist())
    for method in METHODS:
        found += [_score(val, name, method, Option(PLAIN, how, method, decision)) for name, how in blends.items()]
    return found


def _score(val: Val, name: str, method: str | None, option: Option) -> Candidate:
    weights = val.weights(option)
    blend = val.terms(option).blend(weights)
    return Candidate(
        name,
        method,
        weights,
        blend,
        scores(confusion_matrix(val.labels, val.answers(option, val.records, val.records), val.classes)),
        val.cross_validated(option),
        val.cross_validated(option._replace(decision="argmax")),
        log_loss(blend, val.labels),
        expected_calibration_error(reliability(blend, val.labels)),
    )
