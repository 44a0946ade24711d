"""Memory of the device: where it can be full, and whether an error says so."""

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error


def runs_out(device: torch.device) -> bool:
    """Whether a batch that is too large ends in an error that can be caught; a CPU would swap, or the kernel kill."""
    return device.type == "cuda"


def sums_gradients(trainer: Trainer) -> bool:
    """Whether gradients may be summed over parts of a batch before the strategy sees them: not on a TPU, whose step is
    one graph, nor where a strategy keeps parts of them."""
    return trainer.strategy.root_device.type != "xla" and type(trainer.strategy) in (SingleDeviceStrategy, DDPStrategy)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no room for a tensor, or for what cuDNN and cuBLAS need beside them."""
    return isinstance(error, torch.OutOfMemoryError) or is_oom_error(error) or "STATUS_ALLOC_FAILED" in str(error)


def free_memory() -> None:
    """Give back what no tensor holds any longer."""
    garbage_collection_cuda()
