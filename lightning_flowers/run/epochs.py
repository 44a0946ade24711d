"""The epochs of a run, as metrics.csv has them. Needs no torch."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lightning_flowers.errors import UserError
from lightning_flowers.files import read_lines


class Epoch(BaseModel):
    """One row of metrics.csv; None is what the epoch lacks, and a score may be NaN."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    epoch: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    train_macro_f1: float | None = None
    train_macro_f1_present: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_macro_f1: float | None = None
    val_macro_f1_present: float | None = None
    learning_rate: float | None = None
    seconds: float | None = None
    images_per_second: float | None = None
    data_wait_seconds: float | None = None


def read_history(path: Path) -> tuple[Epoch, ...]:
    """The rows of metrics.csv, the first epoch first; none where there is none.

    Raises:
        UserError: it is damaged.
    """
    if not path.exists():
        return ()
    mend = "remove it, summary.json has the best epoch"
    try:
        lines = csv.DictReader(read_lines(path, mend).splitlines())
        rows = [{name: value for name, value in row.items() if value} for row in lines]
        if "epoch" not in (lines.fieldnames or ()):
            raise UserError(f"{path}: damaged (no column epoch): {mend}")
        return tuple(Epoch.model_validate(row) for row in rows)
    except ValidationError as error:
        raise UserError(f"{path}: damaged ({first_wrong(error)}): {mend}") from error
    except csv.Error as error:
        raise UserError(f"{path}: damaged ({error}): {mend}") from error


def best_epoch(history: Sequence[Epoch]) -> Epoch | None:
    """The epoch with the highest macro F1 on val, the earliest of equals; None without any."""
    scored = [row for row in history if row.val_macro_f1 is not None and math.isfinite(row.val_macro_f1)]
    return max(scored, key=lambda row: row.val_macro_f1 or 0, default=None)


def speed_of(history: Sequence[Epoch]) -> dict[str, Any]:
    """How many epochs there are and how fast they were, by the names of a run's summary.

    Means are without the first epoch if there are others: it warms up and compiles.
    """
    rest = history[1:] or history
    return {
        "epochs": len(history),
        "seconds_first_epoch": history[0].seconds if history else None,
        "seconds_per_epoch": _mean([row.seconds for row in rest]),
        "images_per_second": _mean([row.images_per_second for row in rest]),
        "data_wait_seconds_per_epoch": _mean([row.data_wait_seconds for row in rest]),
    }


def first_wrong(error: ValidationError) -> str:
    """The first of what is wrong, without the lines about it."""
    wrong = error.errors()[0]
    return f"{'.'.join(str(part) for part in wrong['loc'])}: {wrong['msg']}"


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
