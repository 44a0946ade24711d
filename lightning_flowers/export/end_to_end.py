"""A predictor as one module, from pictures of any size to calibrated probabilities."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from lightning_flowers.errors import UserError
from lightning_flowers.model.views import resize_weights
from lightning_flowers.use.members import Member
from lightning_flowers.use.predictor import Predictor

_TINY = torch.finfo(torch.float32).tiny  # stands for a probability of 0 in a geometric blend
_SUPPORT = 3  # of Lanczos' window


class EndToEnd(nn.Module):
    """What a predictor does after a picture is decoded; its own models stay as they are.

    Its parts are its graph's scopes: `square` and `answer` want float32, `members` can be made smaller.

    Args:
        predictor: on the CPU; of a blend all members go along.
        any_size: whether it makes the pictures square, or takes squares of the predictor's size, as `read` gives them.
    """

    def __init__(self, predictor: Predictor, any_size: bool = True) -> None:
        super().__init__()
        self.square = Square(predictor.size_px) if any_size else _ChannelsFirst()
        self.members = nn.ModuleList(_MemberNet(member, predictor.size_px) for member in predictor.members)
        self.views = [member.views for member in predictor.members]
        self.answer = _BlendNet(predictor)
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities float32 (n, classes) of pictures uint8 (n, height, width, 3), RGB."""
        image = self.square(pictures)
        return self.answer(
            [[member(view(image)) for view in views] for member, views in zip(self.members, self.views, strict=True)]
        )


def check_end_to_end(predictor: Predictor) -> None:
    """Fail where a graph cannot hold what a predictor does.

    Raises:
        UserError: says what to do.
    """
    if predictor.method == "ranks":
        raise UserError(f"{predictor.path}: a blend of ranks cannot be exported: blend with --method=geometric")


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


class _ChannelsFirst(nn.Module):
    """Float32 (n, 3, size, size) of pictures uint8 (n, size, size, 3)."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.permute(0, 3, 1, 2).float()


class _MemberNet(nn.Module):
    """Logits (n, classes) of pictures (n, 3, given, given) of values 0..255."""

    def __init__(self, member: Member, given: int) -> None:
        super().__init__()
        weights = resize_weights(given, member.size_px, member.model.device)
        self.shrink = None if member.size_px == given else nn.Buffer(weights)
        self.normalize, self.backbone, self.head = (
            # Channels-last, which is fast in torch, would stand in the graph as copies.
            deepcopy(part).to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
            for part in (member.model.normalize, member.model.backbone, member.model.head)
        )

    def forward(self, image: Tensor) -> Tensor:
        image = self.normalize(image)  # before it is shrunk: behind the product OpenVINO would fuse it, and fail
        if self.shrink is not None:
            image = self.shrink @ image @ self.shrink.T
        return self.head(self.backbone(image))


class _BlendNet(nn.Module):
    """Probabilities (n, classes) from the logits (n, classes) of each member's views: see `Predictor`."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.weights = [member.weight for member in predictor.members]
        self.temperature, self.method = predictor.temperature, predictor.method

    def forward(self, logits: Sequence[Sequence[Tensor]]) -> Tensor:
        blend = self._blend([torch.stack([view.softmax(1) for view in views]).mean(0) for views in logits])
        return blend if self.temperature == 1 else (blend.log() / self.temperature).softmax(1)

    def _blend(self, of_each: list[Tensor]) -> Tensor:
        if len(of_each) == 1:
            return of_each[0]
        logs = self.method == "geometric"
        terms = [each.clamp(min=_TINY).log() if logs else each for each in of_each]
        mean = torch.stack([weight * term for weight, term in zip(self.weights, terms, strict=True)]).sum(0)
        return mean.softmax(1) if logs else mean


def _whole(image: Tensor) -> Tensor:
    return (image + 0.5).floor().clamp(0, 255)
