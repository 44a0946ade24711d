"""A blend as it was asked for, beside all others that could have been."""

import math
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.ensemble.members import Members
from lightning_flowers.ensemble.scoring import EQUAL, GIVEN, SEARCHED, Candidate, score_candidates
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Adjustment, Decision, fit_adjustment

_CHOSEN = {"equal": EQUAL, "search": SEARCHED}

Method = Literal["arithmetic", "geometric", "ranks"]
Chosen = Literal["auto", "search", "equal"]


@dataclass(frozen=True)
class Options:
    """How runs are blended; `weights` are chosen, or given one for each run. `auto` is the better of searched and equal
    ones, by the cross-validated score."""

    method: Method = "arithmetic"
    weights: Chosen | tuple[float, ...] = "auto"
    decision: Decision = "argmax"


def parse_weights(text: str, runs: int) -> Chosen | tuple[float, ...]:
    """The value of --weights.

    Raises:
        UserError: it is neither a choice nor a number of 0 or more for each run, one of them over 0.
    """
    if text in get_args(Chosen):
        return cast(Chosen, text)
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(
            f"--weights={text}: give auto, search, equal, or a number for each run, such as 0.5,0.3,0.2"
        ) from error
    if len(weights) != runs:
        raise UserError(f"--weights={text}: {len(weights)} weights for {runs} runs: give one for each")
    if not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < math.inf:
        raise UserError(f"--weights={text}: each must be 0 or more, and one of them over 0")
    return weights


@dataclass(frozen=True, eq=False)
class Outcome:
    """Members and the blend of them that was taken.

    Attributes:
        options: as asked for, but for `auto`, in whose place stands what it has come to.
        candidates: each run, the best of them, then the blends.
        taken: one of the candidates.
        adjustment: of the blend's decisions, its cross-validated scores with weights of the other folds too; None for
            the most probable classes.
    """

    members: Members
    options: Options
    candidates: list[Candidate]
    taken: Candidate
    adjustment: Adjustment | None

    @property
    def best_run(self) -> Candidate:
        """The candidate that is one run, chosen by its score on val."""
        return self.candidates[len(self.members.runs)]

    @property
    def warning(self) -> str | None:
        """That one run by itself does better on records it was not chosen by; None if it does not."""
        best, taken = self.best_run.cross_validated, self.taken.cross_validated
        if taken >= best:
            return None
        return (
            f"the blend does worse than the best run by itself: val macro F1 {taken:.4f} against {best:.4f}, both "
            "cross-validated: submit that run, or try other weights and methods"
        )


def blend_members(members: Members, options: Options) -> Outcome:
    """Score all blends, and take the one that is asked for."""
    given = None if isinstance(options.weights, str) else options.weights
    candidates = score_candidates(members.names, members.val.probabilities, members.labels, options.decision, given)
    of_method = {one.name: one for one in candidates if one.method == options.method}
    if options.weights == "auto":
        gain = of_method[SEARCHED].cross_validated - of_method[EQUAL].cross_validated
        options = replace(options, weights="search" if gain > 0 else "equal")
    taken = of_method[_CHOSEN[options.weights] if isinstance(options.weights, str) else GIVEN]
    adjusted = options.decision == "adjusted"
    return Outcome(members, options, candidates, taken, _adjust(taken, members.labels) if adjusted else None)


def _adjust(taken: Candidate, labels: NDArray[np.int64]) -> Adjustment:
    # The blend's weights have seen all of val: only scores that fit them anew in each fold are held out.
    return replace(
        fit_adjustment(taken.blend, labels),
        cross_validated=taken.cross_validated,
        plain=taken.argmax_cross_validated,
    )
