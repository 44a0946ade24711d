"""Weights of 1x1 convolutions lie on the cores as matrices (in, out); in files, and beside a run, as ever.

As (out, in, 1, 1) a TPU's compiler lays a weight out by rows, and in each step copies it, and the two means that Adam
keeps of its gradient, to the layout that they are multiplied and updated in.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from typing_extensions import override


class Pointwise(nn.Conv2d):
    """A 1x1 convolution whose weight is a matrix (in, out)."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        # A copy to torch alone. A view of what an optimizer writes to would have torch_xla keep the weight as it was.
        weight = torch.permute_copy(self.weight, (1, 0))[:, :, None, None]
        return self._conv_forward(input, weight, self.bias)


def to_matrices(model: nn.Module) -> None:
    """Have the weights of a model's 1x1 convolutions as matrices, those that have no bias and see all channels."""
    for module in model.modules():
        if type(module) is nn.Conv2d and module.kernel_size == (1, 1) and module.groups == 1 and module.bias is None:
            module.__class__ = Pointwise
            module.weight.data = _matrix(module.weight.data)


def to_kernels(model: nn.Module) -> None:
    """Undo `to_matrices`."""
    module: Any
    for module in model.modules():
        if type(module) is Pointwise:
            module.__class__ = nn.Conv2d  # pyright: ignore[reportAttributeAccessIssue]
            module.weight.grad = None  # has the shape of the matrix
            module.weight.data = _kernel(module.weight.data)


def with_matrices(checkpoint: dict[str, Any], model: nn.Module) -> dict[str, Any]:
    """A checkpoint's content, its weights and all that is kept of them as in a model whose weights are matrices."""
    return _changed(checkpoint, model, _matrix)


def with_kernels(checkpoint: dict[str, Any], model: nn.Module) -> dict[str, Any]:
    """Undo `with_matrices`."""
    return _changed(checkpoint, model, _kernel)


def _changed(checkpoint: dict[str, Any], model: nn.Module, change: Callable[[Any], Any]) -> dict[str, Any]:
    names = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Pointwise)}
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    numbers = {number for number, name in enumerate(trained) if name in names}  # as an optimizer knows them
    changed = _walk(checkpoint, names, change)
    if "optimizer_states" in checkpoint:
        changed["optimizer_states"] = [_walk(state, numbers, change) for state in checkpoint["optimizer_states"]]
    return changed


def _walk(content: Any, keys: set[Any], change: Callable[[Any], Any]) -> Any:
    if not isinstance(content, dict):
        return content
    return {
        key: tree_map(change, value) if key in keys else _walk(value, keys, change) for key, value in content.items()
    }


def _matrix(weight: Any) -> Any:
    is_kernel = isinstance(weight, Tensor) and weight.ndim == 4
    return weight[:, :, 0, 0].t().contiguous() if is_kernel else weight


def _kernel(weight: Any) -> Any:
    is_matrix = isinstance(weight, Tensor) and weight.ndim == 2
    return weight.t()[:, :, None, None].contiguous() if is_matrix else weight
