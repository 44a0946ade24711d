"""Training pictures that grow over the epochs: made smaller on the device, by the same sums on all hardware."""

import torch
from torch import Tensor

from lightning_flowers.errors import UserError
from lightning_flowers.model.views import resize

STEPS = 3  # from the first size to the last: each is another graph on XLA and of torch.compile
_GRID = 32  # pixels that backbones halve five times
_GROWS = 0.75  # of the epochs; the others are of the last size


def stage_at(epoch: int, epochs: int) -> int:
    """How many steps pictures have grown in an epoch, counted from 0: 0..3; the last epoch is of full size."""
    growing = min(max(1, int(epochs * _GROWS)), epochs - 1)
    return STEPS if epoch >= growing else epoch * STEPS // growing


def side_at(stage: int, first: int, last: int) -> int:
    """Side in pixels of training pictures at a stage: of the first and the last as given, else a multiple of 32."""
    if stage == STEPS:
        return last
    return min(last, first + round((last - first) * stage / STEPS / _GRID) * _GRID)


def shrink(images: Tensor, side: int) -> Tensor:
    """Pictures uint8 (batch, 3, size, size) as such of (batch, 3, side, side), bilinear with antialiasing."""
    return resize(images, side).round().clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)


def check_growth(first: int | None, size: int, epochs: int | None) -> None:
    """Fail where pictures cannot grow.

    Args:
        first: their side in the first epoch, if it is another.

    Raises:
        UserError: so it is.
    """
    if first is None:
        return
    if not first < size:
        raise UserError(f"--model.first_size={first}: must be less than the data's {size} px: leave it out")
    if epochs is None or epochs < 2:
        raise UserError(f"--model.first_size={first}: pictures grow over --trainer.max_epochs: give 2 or more")
