"""The head: from pooled features to logits."""

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_flowers.data.class_names import clean_name
from lightning_flowers.errors import UserError


def build_head(features: int, hidden: Sequence[int], dropout: float, num_classes: int) -> nn.Sequential:
    """Dense layers from pooled features (batch, features) to logits (batch, num_classes)."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Dropout(dropout), nn.Linear(features, width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(features, num_classes))


def reorder_classes(state_dict: dict[str, Tensor], order: Sequence[int]) -> dict[str, Tensor]:
    """A classifier's weights with its logits in another order: logit n is what logit `order[n]` was."""
    last = [name for name in state_dict if name.startswith("head.")][-1].rpartition(".")[0]
    moved = {f"{last}.{part}": state_dict[f"{last}.{part}"][list(order)] for part in ("weight", "bias")}
    return {**state_dict, **moved}


def check_classes(known: Sequence[str], wanted: Sequence[str]) -> None:
    """Fail unless a model's classes are the data's, in the same order; of a model that names none nothing is known.

    Raises:
        UserError: they are not.
    """
    if known and [clean_name(name) for name in known] != [clean_name(name) for name in wanted]:
        raise UserError(
            "the model was trained on other classes than the data have, or in another order: lightning_flowers.predict "
            "and the command line map orders by name"
        )
