"""What each blend is worth on val: fitted on all of it, and held to the folds it was not fitted on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
    given: NDArray[np.float64] | None = None,
) -> list[Candidate]:
    """Each single run, the best of them, and the ways to blend them.

    Args:
        names: of the members.
        probabilities: float (members, records, classes).
        labels: int64 (records,).
        decision: how classes are decided for.
        given: weights of one's own, (members,).
    """
    singly = Terms("arithmetic", probabilities)
    units = np.eye(len(names))
    choices: list[tuple[str, Terms, str | None, Choice]] = [
        *((name, singly, None, _always(unit)) for name, unit in zip(names, units, strict=True)),
        (BEST_RUN, singly, None, best_member),
    ]
    for method in METHODS:
        terms = Terms(method, probabilities)
        choices += [(EQUAL, terms, method, _always(units.mean(0))), (SEARCHED, terms, method, search_weights)]
        if given is not None:
            choices.append((GIVEN, terms, method, _always(given / given.sum())))
    return [_score(name, method, terms, choose, labels, decision) for name, terms, method, choose in choices]


def _always(weights: NDArray[np.float64]) -> Choice:
    return lambda terms, labels, records: weights


def _score(
    name: str, method: str | None, terms: Terms, choose: Choice, labels: Labels, decision: Decision
) -> Candidate:
    classes = terms.values.shape[2]
    prior = log_prior_of(labels, classes)

    def decide(fitted_on: Probabilities, of: Labels, probabilities: Probabilities) -> Labels:
        return probabilities.argmax(1) if decision == "argmax" else decide_as(fitted_on, of, probabilities, prior)

    def decide_rest(fit: NDArray[np.int64], rest: NDArray[np.int64]) -> Labels:
        blend = terms.blend(choose(terms, labels, fit))
        return np.stack([decide(blend[fit], labels[fit], blend[rest]), blend[rest].argmax(1)], 1)

    weights = choose(terms, labels, np.arange(len(labels)))
    blend = terms.blend(weights)
    decided, most_probable = out_of_fold(labels, decide_rest).T
    return Candidate(
        name,
        method,
        weights,
        blend,
        scores(confusion_matrix(labels, decide(blend, labels, blend), classes)),
        macro_f1(labels, decided, classes),
        macro_f1(labels, most_probable, classes),
        log_loss(blend, labels),
        expected_calibration_error(reliability(blend, labels)),
    )
