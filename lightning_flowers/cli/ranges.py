"""Ranges of the numbers that Lightning ignores, or computes with until something else fails: one table."""

import math
from collections.abc import Callable
from typing import NamedTuple

from jsonargparse import Namespace

from lightning_flowers.errors import UserError

_MOST = 2**31 - 1  # more of anything is a slip of the hand, and overflows somewhere
_DEVICES = 1024


class _Range(NamedTuple):
    """Which numbers are good, and how that is told."""

    holds: Callable[[float], bool]
    allowed: str


def check_ranges(settings: Namespace) -> None:
    """Refuse a number outside its range. Words (such as times) and lists are left to who reads them.

    Args:
        settings: of the command.

    Raises:
        UserError: there is one.
    """
    for flag, (holds, allowed) in _TABLE.items():
        value = settings.get(flag)
        number = _number(value)
        if number is not None and not holds(number):
            raise UserError(f"--{flag}={value}: must be {allowed}")


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def _whole(least: int, most: int = _MOST, besides: str = "") -> _Range:
    """From `least` to `most`; `besides` says what -1 means where it is good too."""
    return _Range(
        lambda number: least <= number <= most or (bool(besides) and number == -1),
        f"in {least}..{most}{besides and f', or -1 for {besides}'}",
    )


_ABOVE_0 = _Range(
    lambda number: 0 < number <= _MOST, f"above 0, a share up to 1.0 or a number of batches up to {_MOST}"
)
_SHARE = _Range(
    lambda number: 0 <= number <= _MOST, f"0 for none, a share up to 1.0 or a number of batches up to {_MOST}"
)
_TABLE = {
    "seed_everything": _whole(0, 2**32 - 1),
    "trainer.devices": _whole(1, _DEVICES, "all"),
    "trainer.num_nodes": _whole(1, _DEVICES),
    "trainer.fast_dev_run": _whole(0),
    "trainer.max_epochs": _whole(1, besides="no end"),
    "trainer.min_epochs": _whole(0),
    "trainer.max_steps": _whole(1, besides="no end"),
    "trainer.min_steps": _whole(0),
    "trainer.limit_train_batches": _ABOVE_0,
    "trainer.limit_val_batches": _SHARE,
    "trainer.limit_test_batches": _SHARE,
    "trainer.overfit_batches": _SHARE,
    "trainer.val_check_interval": _ABOVE_0,
    "trainer.check_val_every_n_epoch": _whole(1),
    "trainer.num_sanity_val_steps": _whole(0, besides="all"),
    "trainer.log_every_n_steps": _whole(0),
    "trainer.accumulate_grad_batches": _whole(1),
    "trainer.gradient_clip_val": _Range(lambda number: 0 <= number < math.inf, "0 (off) or more"),
    "trainer.reload_dataloaders_every_n_epochs": _whole(0),
}
