"""The head: from pooled features to logits."""

from collections.abc import Sequence

from torch import Tensor, nn


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
