"""Running modules on tensors without content: shapes and autograd's graph, but nothing is computed."""

import torch
from torch import Tensor, nn
from torch.func import functional_call


def run_empty(module: nn.Module, image: Tensor) -> Tensor:
    """What a module gives for a tensor on the device `meta`; all of its parameters are seen by autograd.

    Raises:
        RuntimeError, NotImplementedError, AssertionError: it does not run on such a tensor.
    """
    with torch.enable_grad():
        return functional_call(module, _empty(module), image)


def _empty(module: nn.Module) -> dict[str, Tensor]:
    empty: dict[str, Tensor] = {
        name: torch.empty_like(parameter, device="meta", requires_grad=True)
        for name, parameter in module.named_parameters()
    }
    return empty | {name: torch.empty_like(buffer, device="meta") for name, buffer in module.named_buffers()}
