"""The classes that a checkpoint was trained on, held against those of the data that it meets."""

import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lightning_flowers.data.class_names import class_order
from lightning_flowers.data.sources.competition import Source
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say

UNSAFE = (
    "cannot be loaded: damaged, or a pickle of more than tensors and settings, which could run a program: take a "
    "checkpoint that fit left"
)


def match_classes(checkpoint: str, run: RunFolder | None, source: Source, writes_into: str | None) -> list[int] | None:
    """Where each class of the data stands among those of a checkpoint; None where they stand in the same order.

    Args:
        checkpoint: that a command starts from.
        run: whose it is, if it is a run's.
        writes_into: why the order must be the same, if it must; ends with the mend.

    Raises:
        UserError: the names are not the same, or must be in the same order and are not.
    """
    known: Sequence[str] = load_checkpoint(checkpoint).get("class_names") or ()
    if not known:
        warnings.warn(f"{checkpoint}: does not name its classes: only their number is compared", stacklevel=2)
        return None
    of = run.path if run else checkpoint
    try:
        order = class_order(known, source.classes)
    except ValueError as error:
        raise UserError(
            f"{source.given}: has other classes than {of} was trained on ({error}): give --data.root=... with those, "
            "or train a run on these"
        ) from error
    if order == list(range(len(order))):
        return None
    if writes_into:
        raise UserError(f"{source.given}: has the classes of {of} in another order: {writes_into}")
    say("classes", f"those of {of} in another order: mapped by name")
    return order


def load_checkpoint(path: str | Path) -> Any:
    """What a checkpoint holds, on the host; mapped, so that of hundreds of megabytes only what is used is read.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: {UNSAFE}") from error
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not a checkpoint, or a damaged one") from error
