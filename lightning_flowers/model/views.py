"""Test-time augmentation: several views of each picture, whose probabilities are averaged."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from lightning_flowers import hardware
from lightning_flowers.errors import UserError

View = Callable[[Tensor], Tensor]
Tta = Literal["none", "flips", "dihedral", "multi-scale"]
TTA = get_args(Tta)
SCALES = (0.8, 1.0, 1.25)  # of the side of a picture
_STEP = 32  # pixels: what most backbones shrink a picture by


def views_of(tta: Tta) -> tuple[View, ...]:
    """The views of a kind of test-time augmentation; the picture itself is one of them.

    Args:
        tta: none; flips (left to right); dihedral (the 8 flips and quarter turns of a square); multi-scale (0.8, 1 and
            1.25 times the size, to the nearest 32 px).
    """
    if tta == "flips":
        return _same, _left_to_right
    if tta == "dihedral":
        turns = [_turned(quarters) for quarters in range(4)]
        return (*turns, *(_after_flip(turn) for turn in turns))
    if tta == "multi-scale":
        return tuple(_scaled(scale) for scale in SCALES)
    return (_same,)


def check_views(backbone: nn.Module, views: Sequence[View], size: int) -> None:
    """Fail, before any picture is read, where a backbone takes pictures of one size and a view has another.

    Args:
        size: of the pictures in pixels.

    Raises:
        UserError: it does not take that size.
    """
    # On the device `meta` only shapes are computed.
    tensors = [*backbone.named_parameters(), *backbone.named_buffers()]
    empty: dict[str, Tensor] = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
    image = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    for px in sorted({view(image).shape[-1] for view in views} - {size}):
        try:
            functional_call(backbone, empty, torch.empty(2, 3, px, px, device="meta"))
        except AssertionError as error:  # how timm's models refuse a size
            raise UserError(f"--tta: the backbone does not take {px} px: use flips or dihedral") from error


def mean_probabilities(model: Callable[[Tensor], Tensor], image: Tensor, views: Sequence[View]) -> Tensor:
    """The mean over views of the probabilities of each picture, float32 (batch, classes).

    On a TPU each view is a graph of its own and so is the model's pass over it: views of one size share the latter, and
    memory is needed for one at a time.

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


def _same(image: Tensor) -> Tensor:
    return image


def _left_to_right(image: Tensor) -> Tensor:
    return image.flip(3)


def _turned(quarters: int) -> View:
    return (lambda image: torch.rot90(image, quarters, (2, 3))) if quarters else _same


def _after_flip(turn: View) -> View:
    return lambda image: turn(_left_to_right(image))


def _scaled(scale: float) -> View:
    def view(image: Tensor) -> Tensor:
        size = max(round(image.shape[-1] * scale / _STEP), 1) * _STEP
        return image if scale == 1 else resize(image, size)

    return view
