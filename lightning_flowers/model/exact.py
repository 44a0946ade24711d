"""Numbers that keep their types when a model's weights are converted."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from typing_extensions import override


class Exact(nn.Module):
    """A module whose tensors move between devices but are not converted, as by --trainer.precision=bf16-true."""

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def move(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, recurse)


class Normalize(Exact):
    """Pictures of values 0..255 as the backbone was trained on them, float32 whatever the weights' type.

    Args:
        mean, std: of each channel, as timm has them: of values in 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", _per_channel(mean), persistent=False)
        self.register_buffer("std", _per_channel(std), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Of (batch, 3, height, width)."""
        return (image - self.mean) / self.std


def _per_channel(values: Sequence[float]) -> Tensor:
    return (torch.tensor(values) * 255).view(1, 3, 1, 1)
