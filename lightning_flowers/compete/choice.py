"""How a campaign's runs are made one answer: weights, views and decision, each only where it helps on held-out val.

A choice is made by cross-validation within the records that it may see. What the chosen rule is worth is told by
records that took no part in any of it, the choice included: nested cross-validation (Cawley and Talbot 2010).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.ensemble.search import best_member, search_weights
from lightning_flowers.evaluation.blend import Terms
from lightning_flowers.evaluation.cross_validation import out_of_fold
from lightning_flowers.evaluation.decision import Decision, decide_as, fit_adjustment, log_prior_of, macro_f1

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
PLAIN, FLIPS = "none", "flips"


class Option(NamedTuple):
    """A way from the runs' probabilities to labels: the views of each picture, how runs are weighed and blended, how
    classes are decided for."""

    views: str
    weights: str
    method: str
    decision: Decision

    def describe(self) -> str:
        """In a few words."""
        views = {PLAIN: "", FLIPS: ", each picture also mirrored"}[self.views]
        blend = self.weights if self.weights == "best run" else f"{self.weights}, {self.method} mean"
        return f"{blend}{views}{', adjusted decision' * (self.decision == 'adjusted')}"


class Step(NamedTuple):
    """What a campaign has come to with so many kinds of choices, on val: macro F1 over all classes.

    name: what was added.
    option: the best then.
    in_sample: its score on the records that its weights and decision are fitted on.
    cross_validated: its score, by which it was chosen: a little too good.
    nested: of records that took no part in choosing either: the figure to believe.
    """

    name: str
    option: Option
    in_sample: float
    cross_validated: float
    nested: float


_WEIGHTS = {
    "best run": best_member,
    "equal weights": lambda terms, labels, records: np.full(len(terms.values), 1 / len(terms.values)),
    "searched weights": search_weights,
}


def options_of(runs: int, views: Sequence[str], decisions: Sequence[Decision]) -> list[Option]:
    """All ways, the simplest first."""
    ways = [("best run", "arithmetic")]
    if runs > 1:
        ways += [(weights, method) for weights in list(_WEIGHTS)[1:] for method in ("arithmetic", "geometric")]
    return [Option(seen, *way, decision) for decision in decisions for seen in views for way in ways]


def steps_of(val: Mapping[str, Probabilities], labels: Labels) -> list[Step]:
    """What blending, views and decision bring, one after the other.

    Args:
        val: probabilities (runs, records, classes) by the views that they were made with; `none` at least.
        labels: int64 (records,).
    """
    runs = len(val[PLAIN])
    kinds = {"the best single run": options_of(1, [PLAIN], ["argmax"])}
    if runs > 1:
        kinds["and blends of all runs"] = options_of(runs, [PLAIN], ["argmax"])
    if len(val) > 1:
        kinds["and views of each picture"] = options_of(runs, list(val), ["argmax"])
    kinds["and adjusted decisions"] = _all_options(val)
    known = _Val(val, labels)
    return [_step(name, known, options) for name, options in kinds.items()]


def choose(val: Mapping[str, Probabilities], labels: Labels) -> Option:
    """The option of the last of `steps_of`, sooner."""
    return _choose(_Val(val, labels), _all_options(val), np.arange(len(labels)))[0]


def weights_of(option: Option, val: Mapping[str, Probabilities], labels: Labels) -> NDArray[np.float64]:
    """The weight of each run, float64 (runs,), fitted on all of val."""
    terms = Terms(option.method, val[option.views])
    return _WEIGHTS[option.weights](terms, labels, np.arange(len(labels)))


def decide(
    option: Option,
    weights: NDArray[np.float64],
    val: Probabilities,
    labels: Labels,
    probabilities: Probabilities,
) -> tuple[NDArray[np.float32], Labels]:
    """The blend of some records, (records, classes), and their labels.

    Args:
        val: probabilities (runs, records, classes) of val with the option's views, that a decision is fitted on.
        probabilities: of the records, likewise.
    """
    blend = Terms(option.method, probabilities).blend(weights)
    if option.decision == "argmax":
        return blend, blend.argmax(1)
    return blend, fit_adjustment(Terms(option.method, val).blend(weights), labels).decide(blend)


def _all_options(val: Mapping[str, Probabilities]) -> list[Option]:
    return options_of(len(val[PLAIN]), list(val), ["argmax", "adjusted"])


class _Val:
    """Val, prepared for blends, and the weights that were found on parts of it: options share them.

    Args:
        val: probabilities (runs, records, classes) by the views.
        labels: int64 (records,).
    """

    def __init__(self, val: Mapping[str, Probabilities], labels: Labels) -> None:
        self.labels, self.classes = labels, val[PLAIN].shape[2]
        self._log_prior = log_prior_of(labels, self.classes)
        self._terms = {
            (views, name): Terms(name, each) for views, each in val.items() for name in ("arithmetic", "geometric")
        }
        self._weights: dict[tuple[str, str, str, bytes], NDArray[np.float64]] = {}

    def answers(self, option: Option, fit: Labels, rest: Labels) -> Labels:
        """The labels of `rest` by what was fitted on `fit`, positions both."""
        blend = self._blend(option, fit)
        if option.decision == "argmax":
            return blend[rest].argmax(1)
        return decide_as(blend[fit], self.labels[fit], blend[rest], self._log_prior)

    def _blend(self, option: Option, fit: Labels) -> NDArray[np.float32]:
        terms = self._terms[option.views, option.method]
        key = (option.views, option.method, option.weights, fit.tobytes())
        if key not in self._weights:
            self._weights[key] = _WEIGHTS[option.weights](terms, self.labels, fit)
        return terms.blend(self._weights[key])


def _step(name: str, val: _Val, options: Sequence[Option]) -> Step:
    records = np.arange(len(val.labels))
    chosen, score = _choose(val, options, records)
    in_sample = macro_f1(val.labels, val.answers(chosen, records, records), val.classes)

    def answer(fit: Labels, rest: Labels) -> Labels:
        return val.answers(_choose(val, options, fit)[0], fit, rest)

    nested = macro_f1(val.labels, out_of_fold(val.labels, answer), val.classes)
    return Step(name, chosen, in_sample, score, nested)


def _choose(val: _Val, options: Sequence[Option], records: Labels) -> tuple[Option, float]:
    """The option with the highest cross-validated macro F1 on some records, the simplest of equals; and that score."""
    scores = [_cross_validated(val, option, records) for option in options]
    best = int(np.argmax(scores))
    return options[best], scores[best]


def _cross_validated(val: _Val, option: Option, records: Labels) -> float:
    own = val.labels[records]

    def answer(fit: Labels, rest: Labels) -> Labels:
        return val.answers(option, records[fit], records[rest])

    return macro_f1(own, out_of_fold(own, answer), val.classes)
