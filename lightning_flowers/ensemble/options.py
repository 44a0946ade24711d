"""What the user asks of a blend."""

import math
from dataclasses import dataclass
from typing import Literal, cast, get_args

from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Decision

Method = Literal["arithmetic", "geometric", "ranks"]
Chosen = Literal["search", "equal"]


@dataclass(frozen=True)
class Options:
    """How runs are blended; `weights` are chosen, or given one for each run."""

    method: Method = "arithmetic"
    weights: Chosen | tuple[float, ...] = "search"
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
            f"--weights={text}: give search, equal, or a number for each run, such as 0.5,0.3,0.2"
        ) from error
    if len(weights) != runs:
        raise UserError(f"--weights={text}: {len(weights)} weights for {runs} runs: give one for each")
    if not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < math.inf:
        raise UserError(f"--weights={text}: each must be 0 or more, and one of them over 0")
    return weights
