"""What a training step asks of a device, whatever it takes: arithmetic, and the bytes that its operations name."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class Traffic(TorchDispatchMode):
    """Counts the bytes of what operations read and write, once for each operation. Views move nothing.

    That is what an eager step would move if no cache ever held what the next operation needs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.bytes += sum(
                leaf.nbytes
                for leaf in chain(tree_leaves((args, kwargs)), tree_leaves(result))
                if isinstance(leaf, Tensor)
            )
        return result


def of_a_picture(model: Callable[[Tensor], Tensor], images: Tensor) -> dict[str, float]:
    """FLOPs and bytes of training with one of `images`, without the optimizer's, which are few.

    Of the backward pass twice the forward's are taken: torch's counter knows no groups there, and would count a
    depthwise convolution as a full one.
    """
    device = images.device.type
    # Each within its own: what autocast has converted without gradients it would hand on to those that need them.
    with torch.no_grad(), torch.autocast(device, torch.bfloat16), FlopCounterMode(display=False) as counter:
        model(images[:1])
    with torch.autocast(device, torch.bfloat16), Traffic() as traffic:
        model(images).float().logsumexp(1).mean().backward()
    return {"flops": 3.0 * counter.get_total_flops(), "bytes": traffic.bytes / len(images)}
