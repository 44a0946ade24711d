"""From pictures of any size to squares, in operators that every runtime has."""

from typing import Any

import torch
from torch import Tensor, nn

_SUPPORT = 3  # of Lanczos' window


class Square(nn.Module):
    """The largest square in the middle of each picture, resized as Pillow does it (Lanczos, antialiased), to the last
    bit but for a rounding here and there; a picture of that size stays as it is.

    As two products with matrices that are made from the picture's height and width in the graph itself: ONNX's `Resize`
    has no Lanczos, and many runtimes lack its antialiasing.

    Args:
        size: side in pixels.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, pictures: Tensor) -> Tensor:
        """Of uint8 (n, height, width, 3), RGB: float32 (n, 3, size, size), whole numbers in 0..255."""
        height, width = pictures.shape[1], pictures.shape[2]
        side: Any = torch.sym_min(height, width)
        image = pictures.permute(0, 3, 1, 2).float()
        image = _whole(image @ self._weights(width, side).T)  # Pillow too goes along the rows first, and rounds
        return _whole(self._weights(height, side) @ image)

    def _weights(self, length: int, side: int) -> Tensor:
        """How much each of `length` pixels in a line counts in each of those made, float32 (size, length)."""
        pixel, made = 2 * torch.arange(length) + 1, 2 * torch.arange(self.size)[:, None] + 1
        # Twice the distance of their centres in units of 1 / size pixel: whole, so that nothing is lost in float32.
        distance = (pixel - (length - side)) * self.size - made * side
        x = distance / (2 * torch.sym_max(side, self.size))
        weights = torch.where(x.abs() < _SUPPORT, torch.sinc(x) * torch.sinc(x / _SUPPORT), 0.0)
        return weights / weights.sum(1, keepdim=True)


def _whole(image: Tensor) -> Tensor:
    return (image + 0.5).floor().clamp(0, 255)
