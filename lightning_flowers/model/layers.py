"""What of the classifier stands around its backbone: normalizing before it, the head and its classes behind it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_flowers.data.class_names import clean_name
from lightning_flowers.errors import UserError


class Normalize(nn.Module):
    """Pictures of values 0..255 as the backbone was trained on them, float32.

    Args:
        mean, std: of each channel, as timm has them: of values in 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", _per_channel(mean), persistent=False)
        self.register_buffer("std", _per_channel(std), persistent=False)

    def set(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Take other values, as of weights that were trained otherwise than timm's own."""
        self.mean.copy_(_per_channel(mean))
        self.std.copy_(_per_channel(std))

    def forward(self, image: Tensor) -> Tensor:
        """Of (batch, 3, height, width)."""
        return (image - self.mean) / self.std


def _per_channel(values: Sequence[float]) -> Tensor:
    return (torch.tensor(values) * 255).view(1, 3, 1, 1)


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
