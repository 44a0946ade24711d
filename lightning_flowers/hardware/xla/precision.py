"""Float32, or bfloat16 where it suffices, and one optimizer step that is one graph."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from lightning_flowers.hardware.xla.runtime import multiply_in_float32, scalar
from lightning_flowers.lightning_internals import GlobalBatchPrecision


class StaticPrecision(GlobalBatchPrecision):
    """Lightning's, with bf16-mixed, and with graphs that do not change from step to step.

    In bf16-mixed, matrix products and convolutions of the forward pass and its gradient are bfloat16 (torch.autocast);
    weights, their gradients and updates, BatchNorm's statistics and arithmetic, and the loss stay float32. What
    BatchNorm passes on is bfloat16, as on a GPU.

    Args:
        precision: bf16-mixed or 32-true.
    """

    def __init__(self, precision: Literal["bf16-mixed", "32-true"]) -> None:
        super().__init__("32-true")
        self.precision: Any = precision
        if precision == "32-true":
            multiply_in_float32()

    @override
    @contextmanager
    def forward_context(self) -> Iterator[None]:
        if self.precision == "32-true":
            yield
            return
        with torch.autocast("xla", torch.bfloat16), _PassedOnInBfloat16():
            yield

    @override
    def optimizer_step(self, optimizer: Any, model: Any, closure: Callable[[], Any], **kwargs: Any) -> Any:
        with _rates_on_device(optimizer):
            return super().optimizer_step(optimizer, model, closure, **kwargs)  # ends with torch_xla.sync()


class _PassedOnInBfloat16(TorchFunctionMode):
    """BatchNorm's result in the type of what came in.

    XLA's autocast leaves float32, and what follows up to the next convolution would be kept so for the backward pass:
    CONTRIBUTING, "What was tried on the TPU's compiler", has what that costs.
    """

    @override
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return result.to(args[0].dtype) if func is F.batch_norm else result


@contextmanager
def _rates_on_device(optimizer: Optimizer) -> Iterator[None]:
    """Learning rates as tensors, but only for the step: schedules and checkpoints want numbers."""
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = scalar(group["lr"])
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
