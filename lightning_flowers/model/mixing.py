"""Mixup and CutMix of a whole batch on its device, in one graph of fixed shapes.

Mixup (Zhang et al., arXiv 1710.09412) blends each picture with another; CutMix (Yun et al., arXiv 1905.04899) pastes a
box of the other into it. The labels' losses are weighed alike. timm's `Mixup` does both, but draws from numpy's global
state, which checkpoints do not hold, wants an even batch, knows no padding, and cuts boxes by slices, for each of which
XLA would compile anew.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Beta

from lightning_flowers.batch import Batch


class Draw(NamedTuple):
    """How each picture is mixed: float32 (batch,) each.

    outside: weight of the picture outside the box, 0..1; inside it has none.
    own: weight of its label, 0..1.
    top, bottom, left, right: edges of the box in pixels; empty for Mixup.
    """

    outside: Tensor
    own: Tensor
    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor


class MixedBatch(Batch):
    """A batch of mixed pictures, which are in the range of uint8; its label is the one that weighs most in each.

    other_label: int64 (batch,), the other one.
    weight: float32 (batch,), of the label, 0.5..1.
    """

    other_label: Tensor
    weight: Tensor


class Mixing:
    """Mixes each picture with the one before it in the batch, which shuffling has made a random one.

    Each picture has a draw of its own; with both kinds on, it gets either with probability 1/2. The host draws, from
    torch's default generator, which a checkpoint can hold; nothing is read back from the device.

    Args:
        mixup: alpha of the Beta(alpha, alpha) of which Mixup's weight is drawn; 0 is off.
        cutmix: alpha of that of which the share of the area outside CutMix's box is drawn; 0 is off.
    """

    def __init__(self, mixup: float, cutmix: float) -> None:
        self.mixup, self.cutmix = mixup, cutmix

    def __bool__(self) -> bool:
        """Whether it mixes."""
        return self.mixup > 0 or self.cutmix > 0

    def __call__(self, batch: Batch) -> MixedBatch:
        """Mix a batch; its pictures become float32."""
        size, _, height, width = batch["image"].shape
        return mix(batch, self.draw(size, height, width))

    def draw(self, size: int, height: int, width: int) -> Draw:
        """Draw for `size` pictures."""
        blends = torch.rand(size) < (0.5 if self.mixup and self.cutmix else float(self.mixup > 0))
        weight = _beta(self.mixup, size)
        box = cutmix_box(_beta(self.cutmix, size), torch.rand(size), torch.rand(size), height, width)
        top, bottom, left, right = (torch.where(blends, 0, edge) for edge in box)
        beside_box = 1 - (bottom - top) * (right - left) / (height * width)
        return Draw(torch.where(blends, weight, 1), torch.where(blends, weight, beside_box), top, bottom, left, right)


def cutmix_box(share: Tensor, row: Tensor, column: Tensor, height: int, width: int) -> tuple[Tensor, ...]:
    """CutMix's boxes, cut off at the picture's edges: top, bottom, left, right in whole pixels, float32 (batch,) each.

    Args:
        share: of the area outside the whole box, 0..1, (batch,).
        row: of the box's middle, as a share of the height, 0..1, (batch,).
        column: likewise, of the width.
        height: of the pictures in pixels.
        width: of the pictures in pixels.
    """
    edges = []
    for middle, side in ((row, height), (column, width)):
        length = (side * (1 - share).sqrt()).floor()
        start = (side * middle).floor() - (length / 2).floor()
        edges += [start.clamp(min=0), (start + length).clamp(max=side)]
    return tuple(edges)


def mix(batch: Batch, draw: Draw) -> MixedBatch:
    """Mix a batch as drawn, each picture with the one before it, the first with the last.

    A picture whose partner is padding stays as it is, and so does padding.
    """
    image, label, mask = batch["image"], batch["label"], batch["mask"]
    drawn = Draw(*torch.stack(draw).to(image.device, non_blocking=True))  # one copy
    together = mask & _before(mask)
    own = torch.where(together, drawn.own, 1)
    weight = torch.where(together[:, None, None], _weights(drawn, *image.shape[2:]), 1)
    mixed = torch.lerp(_before(image).float(), image.float(), weight[:, None])
    most = own >= 0.5
    return MixedBatch(
        image=mixed,
        label=torch.where(most, label, _before(label)),
        index=batch["index"],
        mask=mask,
        other_label=torch.where(most, _before(label), label),
        weight=torch.where(most, own, 1 - own),
    )


def _weights(draw: Draw, height: int, width: int) -> Tensor:
    """Each picture's weight at each of its pixels, float32 (batch, height, width)."""
    row = torch.arange(height, device=draw.own.device)[:, None]
    column = torch.arange(width, device=draw.own.device)
    outside, _, top, bottom, left, right = (number[:, None, None] for number in draw)
    inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
    return torch.where(inside, 0, outside)


def _before(tensor: Tensor) -> Tensor:
    return torch.cat([tensor[-1:], tensor[:-1]])  # `roll` would lose the channels-last order on a GPU


def _beta(alpha: float, size: int) -> Tensor:
    alpha = float(alpha) or 1.0  # what is off is drawn too, and not used
    return Beta(alpha, alpha).sample(torch.Size([size]))
