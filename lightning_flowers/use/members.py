"""The models that a predictor asks: of a run or a soup one, of a blend all of its runs'."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lightning_flowers.data.class_names import class_order
from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.layers import reorder_classes
from lightning_flowers.model.views import TTA, Tta, View, views_of
from lightning_flowers.run.classes import load_checkpoint
from lightning_flowers.run.prediction_folder import Origin
from lightning_flowers.run.results import PredictionInfo, Run

_SETTINGS = set(inspect.signature(FlowerClassifier.__init__).parameters) - {"self"}


@dataclass(frozen=True, eq=False)
class Member:
    """A model at work, and what is known of its run.

    Attributes:
        model: in evaluation mode; takes pixels uint8 (batch, 3, size_px, size_px), which it normalises itself, and
            gives logits float32 (batch, classes), in the order of the predictor's classes.
        weight: in the blend; of all members they sum to 1.
        size_px: side of the pictures that it was trained on.
        run: what its summary.json says: timm_name, data (where it comes from, whether external), best, versions.
        tta, views: how it looks at each picture.
    """

    run: Run
    model: FlowerClassifier
    weight: float
    size_px: int
    tta: Tta
    views: tuple[View, ...]


def load_member(origin: Origin, classes: Sequence[str], weight: float, tta: Tta | None) -> Member:
    """Load a model, its logits in the order of `classes`.

    Args:
        classes: names; empty takes the model's own order.
        tta: None looks at pictures as for the run's predictions.

    Raises:
        UserError: the checkpoint cannot be read or is of other classes, or the model does not take such views.
    """
    loaded = read_checkpoint(origin.checkpoint)
    settings = {name: value for name, value in loaded["hyper_parameters"].items() if name in _SETTINGS}
    model = FlowerClassifier(**{**settings, "weights": "none"})
    model.normalize_as(loaded)
    count = int(loaded["hyper_parameters"]["num_classes"])
    known = tuple(loaded.get("class_names") or origin.run.data.class_names or map(str, range(count)))
    model.class_names = tuple(classes) or known
    model.load_state_dict(_in_order(origin, loaded["state_dict"], known, model.class_names))
    made: Any = (origin.run.predictions or PredictionInfo()).tta
    chosen, size = tta or (made if made in TTA else "none"), origin.run.data.size
    if size is None:
        raise UserError(f"{origin.run.path}: its summary.json does not say of which size its pictures were")
    return Member(origin.run, model, weight, size, chosen, views_of(chosen))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint that `fit` or `soup` left, on the host.

    Raises:
        UserError: it cannot be read.
    """
    loaded = load_checkpoint(path)
    if not isinstance(loaded, dict) or not {"state_dict", "hyper_parameters"} <= loaded.keys():
        raise UserError(f"{path}: not a checkpoint that fit left")
    return loaded


def _in_order(
    origin: Origin, weights: dict[str, Tensor], known: Sequence[str], wanted: Sequence[str]
) -> dict[str, Tensor]:
    if known == wanted:
        return weights
    try:
        return reorder_classes(weights, class_order(known, wanted))
    except ValueError as error:
        raise UserError(f"{origin.run.path}: has other classes than the blend it is in ({error})") from error
