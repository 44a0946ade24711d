"""How deep a model is, as tables of models state it."""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from lightning_flowers.model.classifier import FlowerClassifier

# What autograd calls a convolution and a dense layer.
_LAYERS = ("ConvolutionBackward", "AddmmBackward", "MmBackward")


def depth(model: FlowerClassifier, size: int) -> int | None:
    """Convolutions and dense layers, one after the other, on the longest way through backbone and head.

    So a ResNet-152 has 152 and a DenseNet-201 201. Nothing is computed: the way is that of tensors without content.

    Args:
        size: of the pictures in pixels.

    Returns:
        The number; None of a model that does not run on such tensors.
    """
    with suppress(RuntimeError, NotImplementedError), torch.enable_grad():
        picture = torch.empty(2, 3, size, size, device="meta")
        features = functional_call(model.backbone, _empty(model.backbone), picture)
        return _longest(functional_call(model.head, _empty(model.head), features).grad_fn)
    return None


def _empty(module: torch.nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers without content; all of them are to be seen by autograd."""
    empty: dict[str, Tensor] = {
        name: torch.empty_like(parameter, device="meta", requires_grad=True)
        for name, parameter in module.named_parameters()
    }
    return empty | {name: torch.empty_like(buffer, device="meta") for name, buffer in module.named_buffers()}


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
