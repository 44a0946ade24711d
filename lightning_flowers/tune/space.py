"""What a search may vary: settings of `fit`, each with a range or a few values."""

import math
import re
from collections.abc import Sequence

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightning_flowers.errors import UserError

Space = dict[str, BaseDistribution]
_RANGE = re.compile(r"(?P<low>\S+?)\.\.(?P<high>\S+?)(?P<log>:log)?")


def read_space(varied: Sequence[str]) -> Space:
    """The search space of `--vary` flags.

    Args:
        varied: such as `model.lr=1e-4..1e-2:log`, a range, on a log scale; `data.batch_size=16..64`, whole numbers; or
            `model.optimizer=adam|adamw`, values.

    Raises:
        UserError: one cannot be read, or a setting is given twice; says how it is written.
    """
    space: Space = {}
    for text in varied:
        name, equals, values = text.removeprefix("--").partition("=")
        if not (name and equals and values):
            raise UserError(f"--vary={text}: give a setting with a range or values, as --vary=model.lr=1e-4..1e-2:log")
        if name in space:
            raise UserError(f"--vary={text}: {name} is given twice")
        space[name] = _distribution(text, values)
    if not space:
        raise UserError("--vary: give what may vary, as --vary=model.lr=1e-4..1e-2:log --vary='model.mixup=0|0.2'")
    return space


def _distribution(text: str, values: str) -> BaseDistribution:
    if between := _RANGE.fullmatch(values):
        return _range(text, between["low"], between["high"], between["log"] is not None)
    choices = values.split("|")
    if len(set(choices)) < max(2, len(choices)) or "" in choices:
        raise UserError(f"--vary={text}: give a range as 1..8, or two values or more with | between, each once")
    return CategoricalDistribution(choices)


def _range(text: str, low: str, high: str, log: bool) -> BaseDistribution:
    try:
        first, last = float(low), float(high)
    except ValueError as error:
        raise UserError(f"--vary={text}: a range goes from number to number, as 1e-4..1e-2:log") from error
    if not (-math.inf < first < last < math.inf) or (log and first <= 0):
        raise UserError(f"--vary={text}: a range goes from a lower to a higher number{' above 0' * log}")
    if _whole(low) and _whole(high):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(first, last, log=log)


def _whole(number: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", number) is not None
