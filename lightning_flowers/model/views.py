"""Test-time augmentation: several views of each picture, whose probabilities are averaged."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Literal, get_args

import torch
from torch import Tensor

from lightning_flowers import hardware

View = Callable[[Tensor], Tensor]
Tta = Literal["none", "flips", "dihedral"]
TTA = get_args(Tta)


def views_of(tta: Tta) -> tuple[View, ...]:
    """The views of a kind of test-time augmentation; the picture itself is one of them.

    Args:
        tta: none; flips (left to right); dihedral (the 8 flips and quarter turns of a square).
    """
    turns = range(4) if tta == "dihedral" else (0,)
    flips = (False,) if tta == "none" else (False, True)
    return tuple(partial(_seen, flipped=flip, quarters=turn) for flip in flips for turn in turns)


def mean_probabilities(model: Callable[[Tensor], Tensor], image: Tensor, views: Sequence[View]) -> Tensor:
    """The mean over views of the probabilities of each picture, float32 (batch, classes).

    On a TPU each view is a graph of its own and so is the model's pass over it, which all share: memory is needed for
    one at a time.

    Args:
        model: gives logits (batch, classes).
        image: uint8 (batch, 3, size, size).
        views: at least one.
    """
    of_each = []
    for view in views:
        seen = view(image)
        hardware.sync(image.device)
        of_each.append(model(seen).float().softmax(1))
        hardware.sync(image.device)
    return torch.stack(of_each).mean(0)


def resize(image: Tensor, size: int) -> Tensor:
    """Pictures (batch, 3, size, size) of another size, bilinear and antialiased, float32.

    As two products of matrices: XLA has no operator for an antialiased resize, and would have the host do it.
    """
    weights = resize_weights(image.shape[-1], size, image.device)
    with torch.autocast(image.device.type, enabled=False):  # bfloat16 would round the pictures
        return weights @ image.float() @ weights.T


@lru_cache(maxsize=8)
def resize_weights(size: int, to: int, device: torch.device) -> Tensor:
    """How much each of `size` pixels in a row counts in each of `to`: a triangle about its middle, float32 (to, size);
    each row sums to 1."""
    step = size / to
    middles = (torch.arange(to)[:, None] + 0.5) * step
    near = (1 - (torch.arange(size) + 0.5 - middles).abs() / max(step, 1)).clamp(min=0)
    return (near / near.sum(1, keepdim=True)).to(device)


def _seen(image: Tensor, flipped: bool, quarters: int) -> Tensor:
    """Left to right, then turned by so many quarters."""
    image = image.flip(3) if flipped else image
    return torch.rot90(image, quarters, (2, 3)) if quarters else image
