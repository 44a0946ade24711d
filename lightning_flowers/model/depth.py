"""How deep a model is, as tables of models state it."""

from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import torch

from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.empty import run_empty

# What autograd calls a convolution and a dense layer.
_LAYERS = ("ConvolutionBackward", "AddmmBackward", "MmBackward")
# A run's summary is written several times. Nothing here keeps a model, and with it its run's data, alive.
_known: WeakKeyDictionary[FlowerClassifier, dict[int, int | None]] = WeakKeyDictionary()


def depth(model: FlowerClassifier, size: int) -> int | None:
    """Convolutions and dense layers, one after the other, on the longest way through backbone and head.

    So a ResNet-152 has 152 and a DenseNet-201 201. Nothing is computed: the way is that of tensors without content.

    Args:
        size: of the pictures in pixels.

    Returns:
        The number; None of a model that does not run on such tensors.
    """
    of_model = _known.setdefault(model, {})
    if size not in of_model:
        of_model[size] = _count(model, size)
    return of_model[size]


def _count(model: FlowerClassifier, size: int) -> int | None:
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
