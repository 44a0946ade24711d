"""How a campaign's runs are made one answer: weights, views and decision, each only where it helps on held-out val.

A choice is made by cross-validation within the records that it may see. What the chosen rule is worth is told by
records that took no part in any of it, the choice included: nested cross-validation (Cawley and Talbot 2010).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.ensemble.scoring import BEST_RUN, EQUAL, PLAIN, SEARCHED, Labels, Option, Probabilities, Val
from lightning_flowers.evaluation.blend import Terms
from lightning_flowers.evaluation.cross_validation import out_of_fold
from lightning_flowers.evaluation.decision import Decision, fit_adjustment, macro_f1

FLIPS = "flips"


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


def describe(option: Option) -> str:
    """An option in a few words."""
    views = {PLAIN: "", FLIPS: ", each picture also mirrored"}[option.views]
    blend = option.weights if option.weights == BEST_RUN else f"{option.weights}, {option.method} mean"
    return f"{blend}{views}{', adjusted decision' * (option.decision == 'adjusted')}"


def options_of(runs: int, views: Sequence[str], decisions: Sequence[Decision]) -> list[Option]:
    """All ways, the simplest first."""
    ways = [(BEST_RUN, "arithmetic")]
    if runs > 1:
        ways += [(weights, method) for weights in (EQUAL, SEARCHED) for method in ("arithmetic", "geometric")]
    return [Option(seen, *way, decision) for decision in decisions for seen in views for way in ways]


def steps_of(val: Val) -> list[Step]:
    """What blending, views and decision bring, one after the other."""
    runs = len(val.probabilities[PLAIN])
    kinds = {"the best single run": options_of(1, [PLAIN], ["argmax"])}
    if runs > 1:
        kinds["and blends of all runs"] = options_of(runs, [PLAIN], ["argmax"])
    if len(val.probabilities) > 1:
        kinds["and views of each picture"] = options_of(runs, list(val.probabilities), ["argmax"])
    kinds["and adjusted decisions: taken"] = _all_options(val)
    return [_step(name, val, options) for name, options in kinds.items()]


def choose(val: Val) -> Option:
    """The option of the last of `steps_of`, sooner."""
    return _choose(val, _all_options(val), val.records)[0]


def decide(
    option: Option, weights: NDArray[np.float64], val: Val, probabilities: Probabilities
) -> tuple[NDArray[np.float32], Labels]:
    """The blend of some records, (records, classes), and their labels.

    Args:
        val: that a decision is fitted on.
        probabilities: of the records, (runs, records, classes), with the option's views.
    """
    blend = Terms(option.method, probabilities).blend(weights)
    if option.decision == "argmax":
        return blend, blend.argmax(1)
    return blend, fit_adjustment(val.terms(option).blend(weights), val.labels).decide(blend)


def _all_options(val: Val) -> list[Option]:
    return options_of(len(val.probabilities[PLAIN]), list(val.probabilities), ["argmax", "adjusted"])


def _step(name: str, val: Val, options: Sequence[Option]) -> Step:
    chosen, score = _choose(val, options, val.records)
    in_sample = macro_f1(val.labels, val.answers(chosen, val.records, val.records), val.classes)

    def answer(fit: Labels, rest: Labels) -> Labels:
        return val.answers(_choose(val, options, fit)[0], fit, rest)

    nested = macro_f1(val.labels, out_of_fold(val.labels, answer), val.classes)
    return Step(name, chosen, in_sample, score, nested)


def _choose(val: Val, options: Sequence[Option], records: Labels) -> tuple[Option, float]:
    """The option with the highest cross-validated macro F1 on some records, the simplest of equals; and that score."""
    scores = [val.cross_validated(option, records) for option in options]
    best = int(np.argmax(scores))
    return options[best], scores[best]
