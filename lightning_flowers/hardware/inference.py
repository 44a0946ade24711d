"""Inference without Lightning's Trainer: the device, the model on it, and batches for it."""

import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_flowers.errors import UserError
from lightning_flowers.hardware.choice import choose_accelerator, uses_cpu_client
from lightning_flowers.hardware.host import to_channels_last


def device_of(accelerator: str) -> torch.device:
    """One device of an accelerator, `auto` or by its name, on which float32 is computed as such from now on.

    By themselves GPUs would round what convolutions multiply to TF32, and TPUs to bfloat16.

    Raises:
        UserError: there is none that can be used.
    """
    chosen = choose_accelerator(accelerator, "accelerator")
    if chosen not in ("cpu", "cuda", "gpu", "tpu"):
        raise UserError(f"--accelerator={accelerator}: must be auto, cpu, cuda or tpu")
    if chosen == "tpu":
        if not uses_cpu_client():
            os.environ.setdefault("PJRT_DEVICE", "TPU")
        from lightning_flowers.hardware.xla.runtime import Cores, multiply_in_float32

        multiply_in_float32()
        return Cores(single=True).device
    if chosen in ("cuda", "gpu"):
        torch.backends.cudnn.allow_tf32 = False
        return torch.device("cuda")
    return torch.device("cpu")


def prepare_for_inference(model: torch.nn.Module, device: torch.device) -> None:
    """Move a model to a device to answer there, the weights of its convolutions in the order that is fast there."""
    model.eval().requires_grad_(False)
    to_channels_last(model, device)
    model.to(device)


def to_batch(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Pictures uint8 (n, height, width, 3) as a batch of a device, uint8 (m, 3, height, width) in channels-last order.

    On a TPU, which compiles for each size of a batch anew, black ones fill it up to a power of two; elsewhere m is n.
    """
    if device.type == "xla":
        room = 1 << (len(pixels) - 1).bit_length()
        pixels = np.concatenate([pixels, np.zeros((room - len(pixels), *pixels.shape[1:]), np.uint8)])
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(0, 3, 1, 2)
