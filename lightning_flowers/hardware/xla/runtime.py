"""The cores of this process as torch_xla shows them, and what crosses from the host to them."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch_xla
import torch_xla.backends
import torch_xla.core.xla_model as xm
import torch_xla.distributed.spmd as xs
import torch_xla.distributed.xla_backend  # registers xla://
import torch_xla.runtime as xr
from torch import Tensor

from lightning_flowers.errors import UserError

AXIS = "data"


class Cores:
    """All cores of the run, over which batches are split along their first dimension.

    With more than one, torch_xla is put into SPMD mode, for as long as the process lives: one program for all cores,
    made by XLA's partitioner from the sharding of the batches; weights are replicated, gradients and BatchNorm's
    statistics are those of the whole batch. (https://docs.pytorch.org/xla/release/r2.9/perf/spmd_basic.html)

    Args:
        single: whether one core is wanted, and not all.

    Attributes:
        device: to which tensors are sent; with SPMD it stands for all cores.
        count: cores, over all hosts.
        local_count: of these, on this host.
        process_index: number of this host, from 0.
        process_count: hosts.

    Raises:
        UserError: the TPU does not start, or a single core is wanted where there are several hosts.
    """

    def __init__(self, single: bool) -> None:
        self.count, self.local_count, self.process_index, self.process_count = 1, 1, 0, 1
        self._mesh: xs.Mesh | None = None
        try:
            if not single:
                self._take_all()
            self.device = torch_xla.device()
        except RuntimeError as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"--trainer.accelerator=tpu: torch_xla cannot start it: {why}") from error
        if single and xr.process_count() > 1:
            raise UserError("--trainer.devices=1: the TPU has several hosts, and each would train by itself: use auto")

    def _take_all(self) -> None:
        xr.use_spmd()
        self.count, self.local_count = xr.global_runtime_device_count(), xr.addressable_runtime_device_count()
        self.process_index, self.process_count = xr.process_index(), xr.process_count()
        if self.count > 1:
            self._mesh = xs.Mesh(np.arange(self.count), (self.count,), (AXIS,))
        if self.process_count > 1:  # for what hosts tell each other, such as damaged records
            dist.init_process_group("gloo", init_method="xla://")

    def send(self, tensor: Tensor) -> Tensor:
        """Copy a tensor of the host to the cores, split along its first dimension.

        On several hosts each gives its part of the global tensor, in the order of the hosts.

        Args:
            tensor: (batch, ...); the global batch is a multiple of the number of cores.

        Raises:
            RuntimeError: torch_xla has not split it. It ignores a sharding that it cannot apply, and would have each
                core do all of the work.
        """
        spec = self._split(tensor.ndim)
        # At once: `to` would leave it to the next graph, which another thread is about to send off.
        sent: Any = xm.send_cpu_data_to_device([tensor], self.device, spec)
        if spec is None:
            return sent[0]
        sharding = sharding_of(sent[0])
        if f"devices=[{self.count}" not in sharding:
            raise RuntimeError(f"a tensor {tuple(tensor.shape)} was not split over {self.count} cores: {sharding!r}")
        return sent[0]

    def _split(self, dimensions: int) -> xs.ShardingSpec | None:
        if self._mesh is None:
            return None
        return xs.ShardingSpec(self._mesh, (AXIS,) + (None,) * (dimensions - 1), minibatch=self.process_count > 1)

    def replicate(self, tensors: Iterable[Tensor]) -> None:
        """Have tensors computed, and each core keep all of them.

        Without a sharding of their own, those that the first step updates would get one only then, and the second step
        would be another graph.
        """
        if self._mesh is not None:
            for tensor in tensors:
                xs.mark_sharding(tensor, self._mesh, (None,) * tensor.ndim)
        sync()

    def replicated(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Copies of results, computed, of which each core keeps all, to be read later: reading a split tensor compiles
        a program to put it together, each time."""
        if self._mesh is None:
            sync()
            return list(tensors)
        copies = [tensor * 1 for tensor in tensors]  # batches have a sharding already, which nothing else takes away
        self.replicate(copies)
        return copies


def sharding_of(tensor: Tensor) -> str:
    """How a tensor lies on the cores, as XLA writes it (`{devices=[8,1]0,1,2,...}`); empty if nothing was said."""
    native: Any = torch_xla._XLAC  # pyright: ignore[reportPrivateImportUsage]
    return native._get_xla_sharding_spec(tensor)


def scalar(value: float) -> Tensor:
    """A number as a tensor of the cores, float32 ().

    As a plain number, 0 and 1 would be constants of the graph, and two equal ones one input: another graph each time.
    """
    return send_replicated(torch.tensor(value, dtype=torch.float32))


def send_replicated(tensor: Tensor) -> Tensor:
    """Copy a tensor of the host to each core, all of it, at once."""
    sent: Any = xm.send_cpu_data_to_device([tensor], torch_xla.device())
    return sent[0]


def to_cpu(content: Any) -> Any:
    """What is to be saved, with all of its tensors on the host, fetched at once."""
    return xm._maybe_convert_to_cpu(content, convert=True)


def sync() -> None:
    """Send off what was asked of the cores so far, as one graph. Does not wait for it."""
    torch_xla.sync()


def random_seed() -> int:
    """The state of the random numbers that the cores draw (dropout)."""
    return xm.get_rng_state()


def set_random_seed(seed: int) -> None:
    """Go on where `random_seed` was taken, or begin with a seed."""
    xm.set_rng_state(seed)


def multiply_in_float32() -> None:
    """Have float32 products computed as such: a TPU would round what it multiplies to bfloat16."""
    logging.getLogger("torch_xla.backends").setLevel(logging.ERROR)  # it warns of a second time even at the first
    torch_xla.backends.set_mat_mul_precision("highest")
