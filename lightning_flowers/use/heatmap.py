"""Where in a picture a model saw what it took for a class.

The places are those of the backbone's last feature map. A place counts as much as its features push the class's logit:
features times the logit's gradient by them, summed over channels. Where the head is one dense layer on features that
are pooled by their mean, that is the class activation map (Zhou et al. 2016), and is exact: the places sum to the logit
less the layer's bias. Elsewhere it is a first approximation (HiResCAM: Draelos and Carin 2020). A backbone without a
map of features, such as a vision transformer, is asked by its pixels, in patches: gradient times distance from the mean
picture.

Gradients go through the head alone, so that a map costs little more than an answer; a frozen backbone has one as well.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lightning_flowers import hardware
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.use.predictor import Predictor

Method = Literal["exact", "gradients", "pixels"]
PATCHES = 14  # a side, where pixels are asked


class HeatMap(NamedTuple):
    """What places say for a class, and against it.

    Attributes:
        places: float32 (rows, columns) over the square that the model saw, in units of the logit.
        rest: what the logit owes to no place: `places.sum() + rest` is the logit.
        method: how it was found; `exact` if the sum is no approximation.
    """

    places: NDArray[np.float32]
    rest: float
    method: Method


def heat_map(predictor: Predictor, pixels: NDArray[np.uint8], label: int) -> HeatMap:
    """What the model looked at; of a blend, the member with the greatest weight. Further views are left out.

    Args:
        pixels: uint8 (size_px, size_px, 3), as `predictor.read` gives it.
    """
    member = max(predictor.members, key=lambda member: member.weight)
    image = predictor.fit(member, hardware.to_batch(pixels[None], predictor.device))
    model = member.model
    with torch.no_grad():
        normalized = model.normalize(image).to(model.dtype)
        features = model.backbone.forward_features(normalized)
    channels = _channels(model, features)
    if channels is None:
        return _by_pixels(model, normalized, label)
    return _by_features(model, features, channels, label)


def _channels(model: FlowerClassifier, features: Any) -> int | None:
    """The axis of a map's channels; None if it is no map."""
    if not isinstance(features, Tensor) or features.ndim != 4:
        return None
    return next((axis for axis in (1, 3) if features.shape[axis] == model.backbone.num_features), None)


def _by_features(model: FlowerClassifier, features: Tensor, channels: int, label: int) -> HeatMap:
    features = features.detach().requires_grad_()
    with torch.enable_grad():
        pooled = model.backbone.forward_head(features, pre_logits=True)
        logit = model.head(pooled)[0, label]
        (gradient,) = torch.autograd.grad(logit, features)
    places = (features * gradient).sum(channels)[0].detach().float()
    spatial = tuple(axis for axis in (1, 2, 3) if axis != channels)
    mean, layers = features.mean(spatial), sum(isinstance(layer, torch.nn.Linear) for layer in model.head)
    exact = layers == 1 and pooled.shape == mean.shape and torch.allclose(pooled, mean, atol=1e-5)
    return _map_of(places, logit, "exact" if exact else "gradients")


def _by_pixels(model: FlowerClassifier, normalized: Tensor, label: int) -> HeatMap:
    normalized = normalized.detach().requires_grad_()
    with torch.enable_grad():
        logit = model.head(model.backbone(normalized))[0, label]
        (gradient,) = torch.autograd.grad(logit, normalized)
    pushes = (normalized * gradient).sum(1, keepdim=True).detach().float()
    patches = F.adaptive_avg_pool2d(pushes, PATCHES)[0, 0]
    return _map_of(patches * (pushes.numel() / patches.numel()), logit, "pixels")


def _map_of(places: Tensor, logit: Tensor, method: Method) -> HeatMap:
    found: NDArray[np.float32] = places.cpu().numpy()
    return HeatMap(found, float(logit.detach()) - float(found.sum()), method)
