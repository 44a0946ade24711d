"""The processes of a run, once they can talk: what they tell each other, and the cores that each has."""

import os
import platform
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from lightning_flowers.cgroups import cpu_count


def gather(value: Any) -> list[Any]:
    """A small value of each process of the run, in the order of their ranks; on every process."""
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def from_first(make: Callable[[], Any]) -> Any:
    """What `make` gives on the first process of the run, on every process; its error likewise."""
    if not (dist.is_available() and dist.is_initialized()):
        return make()
    made: list[Any] = [None, None]
    if dist.get_rank() == 0:
        try:
            made[0] = make()
        except Exception as error:  # else the others would wait for what never comes
            made[1] = error
    dist.broadcast_object_list(made)
    if made[1] is not None:
        raise made[1]
    return made[0]


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum over the processes of the run, in place. Lightning's `reduce` has a barrier before it, at which this
    process would wait for its GPU."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def cores_each() -> int:
    """CPU cores for each of this run's processes that may use the same ones; at least 1."""
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    mine = (platform.node(), affinity)
    return max(1, cpu_count() // gather(mine).count(mine))
