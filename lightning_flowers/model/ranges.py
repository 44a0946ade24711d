"""What the classifier's settings may be."""

import math
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

from lightning_flowers.errors import UserError

MAX_LR, MIN_ALPHA = 1e38, 1e-6  # beyond them float32 holds no steps, or no shares
MAX_WIDTH = 2**16  # of a dense layer; four times that of any backbone's features


def _alpha(value: float) -> bool:
    return value == 0 or MIN_ALPHA <= value < math.inf


def _width(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) <= MAX_WIDTH


_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "num_classes": (lambda value: value >= 1, "1 or more"),
    "lr": (lambda value: 0 < value <= MAX_LR, f"above 0, at most {MAX_LR}"),
    "layer_decay": (lambda value: 0 < value <= 1, "above 0, at most 1 (off)"),
    "weight_decay": (lambda value: 0 <= value < math.inf, "0 (off) or more"),
    "dropout": (lambda value: 0 <= value < 1, "0 (off) or more, below 1"),
    "drop_path": (lambda value: 0 <= value < 1, "0 (off) or more, below 1"),
    "class_balance": (lambda value: 0 <= value < 1, "0 (off) or more, below 1"),
    "label_smoothing": (lambda value: 0 <= value < 1, "0 (off) or more, below 1"),
    "warmup_epochs": (lambda value: 0 <= value < math.inf, "0 or more"),
    "head_epochs": (lambda value: value >= 0, "0 (none) or more"),
    "first_size": (lambda value: value is None or value >= 32, "32 or more"),
    "mixup": (_alpha, f"0 (off), or {MIN_ALPHA} or more"),
    "cutmix": (_alpha, f"0 (off), or {MIN_ALPHA} or more"),
    "ema_decay": (lambda value: 0 <= value < 1, "0 (off) or more, below 1"),
    "feature_views": (lambda value: value >= 0, "0 (none) or more"),
    "hidden": (lambda value: all(map(_width, value)), f"widths in 1..{MAX_WIDTH}"),
}


def check_ranges(settings: Mapping[str, Any]) -> None:
    """Fail where one of a FlowerClassifier's settings cannot be.

    Raises:
        UserError: so it is.
    """
    for name, (good, allowed) in _RANGES.items():
        if name in settings and not good(settings[name]):  # num_classes may be known to the data alone
            raise UserError(f"--model.{name}={settings[name]}: must be {allowed}")
    if settings["head_epochs"] and settings["schedule"] == "starter":
        raise UserError(
            f"--model.head_epochs={settings['head_epochs']}: the starter notebook's schedule has no second warm-up: "
            "give --model.schedule=cosine, or leave it out"
        )
