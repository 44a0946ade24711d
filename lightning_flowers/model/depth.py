"""How deep a model is, as tables of models state it."""

from contextlib import suppress
from functools import lru_cache
from typing import Any

import torch

from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.empty import run_empty

# What autograd calls a convolution and a dense layer.
_LAYERS = ("ConvolutionBackward", "AddmmBackward", "MmBackward")


@lru_cache(maxsize=1)  # a run's summary is written several times
def depth(model: FlowerClassifier, size: int) -> int | None:
    """Convolutions and dense layers, one after the other, on the longest way through backbone and head.

    So a ResNet-152 has 152 and a DenseNet-201 201. Nothing is computed: the way is that of tensors without content.

    Args:
        size: of the pictures in pixels.

    Returns:
        The number; None of a model that does not run on such tensors.
    """
    with suppress(RuntimeError, NotImplementedError, AssertionError):
        features = run_empty(model.backbone, torch.empty(2, 3, size, size, device="meta"))
        return _longest(run_empty(model.head, features).grad_fn)
    return None


def _longest(last: Any) -> int:
    """The most layers on a way from autograd's last node to any of its first."""
    known: dict[Any, int] = {}
    waiting = [last]
    while waiting:
        before = [node for node, _ in waiting[-1].next_functions if node is not None]
        missing = [node for node in before if node not in known]
        if missing:
            waiting += missing
            continue
        node = waiting.pop()
        known[node] = node.name().startswith(_LAYERS) + max((known[other] for other in before), default=0)
    return known[last]
