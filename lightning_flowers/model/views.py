"""Test-time augmentation: several views of each picture, whose probabilities are averaged."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import torch
import torch.nn.functional as F
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
    weights = resize_weights(image.shape[-1], size).to(image.device)
    with torch.autocast(image.device.type, enabled=False):  # bfloat16 would round the pictures
        return torch.einsum("oh,bchw,pw->bcop", weights, image.float(), weights)


def resize_weights(size: int, to: int) -> Tensor:
    """How much each of `size` pixels in a row counts in each of `to`, float32 (to, size); each row sums to 1."""
    rows = torch.eye(size)[None, None]
    return F.interpolate(rows, (to, size), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _seen(image: Tensor, flipped: bool, quarters: int) -> Tensor:
    """Left to right, then turned by so many quarters."""
    image = image.flip(3) if flipped else image
    return torch.rot90(image, quarters, (2, 3)) if quarters else image
