"""What a device can do at most: a large product of bf16 matrices, and a large copy, measured and not looked up."""

import statistics
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch

from lightning_flowers import hardware

from .jobs import Job

SIDE = {"cuda": 8192, "cpu": 512}  # of the square matrices
COPIED = {"cuda": 2 << 30, "cpu": 32 << 20}  # bytes: no cache holds them
TIMES, WARM_UPS = 20, 3


def measure(job: Job) -> dict[str, Any]:
    """The device's name and memory in bytes, FLOP/s of a product, bytes read and written in a second of copying."""
    device, side, size = torch.device(job.device), SIDE[job.device], COPIED[job.device]
    left, right = torch.randn(2, side, side, device=device).bfloat16()  # zeros would be quicker than what is real
    source = torch.randint(256, (size,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {
        "device": hardware.describe(device),
        "versions": {name: metadata.version(name) for name in ("torch", "timm")},
        "memory": torch.cuda.get_device_properties(device).total_memory if job.device == "cuda" else None,
        "flops": 2 * side**3 / seconds(lambda: left @ right, device),
        "bandwidth": 2 * size / seconds(lambda: target.copy_(source), device),
    }


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """What it takes, the median of several."""
    taken = []
    for _ in range(WARM_UPS + TIMES):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[WARM_UPS:])


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> int | None:
    """Bytes that tensors of this process took of a GPU at most."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
