"""Settings of the Trainer that leave part of the data out."""

from collections.abc import Mapping
from typing import Any

LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "overfit_batches")


def limits_of(trainer: Mapping[str, Any]) -> dict[str, int | float]:
    """Those that leave batches out, of the Trainer's settings; 1.0 is all batches, 1 is one, 0 is none at all."""
    return {name: trainer[name] for name in LIMITS if _leaves_out(trainer.get(name))}


def _leaves_out(value: Any) -> bool:
    return value not in (None, 0) and not (isinstance(value, float) and value == 1)
