"""Lightning's strategy for the cores of a TPU host, and its accelerator."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.accelerators import XLAAccelerator
from pytorch_lightning.strategies.single_xla import SingleDeviceXLAStrategy
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from lightning_flowers.errors import UserError
from lightning_flowers.hardware.processes import from_first
from lightning_flowers.hardware.xla.device_loader import DeviceLoader
from lightning_flowers.hardware.xla.pointwise import to_kernels, to_matrices, with_kernels, with_matrices
from lightning_flowers.hardware.xla.precision import StaticPrecision
from lightning_flowers.hardware.xla.runtime import Cores, set_random_seed, sync, to_cpu


class XLASPMDStrategy(SingleDeviceXLAStrategy):
    """One process of each host trains on all of its cores (SPMD).

    Ranks and world size are those of the hosts, and each host's loader makes its part of the global batch.

    Args:
        precision: bf16-mixed or 32-true.
    """

    strategy_name = "xla_spmd"
    counts_all = True  # what a step counts is of the global batch, on every host

    def __init__(self, cores: Cores, precision: Any, accelerator: Any = None) -> None:
        super().__init__(cores.device, accelerator=accelerator, precision_plugin=StaticPrecision(precision))
        self.cores = cores
        self.global_rank, self.local_rank, self.world_size = cores.process_index, 0, cores.process_count

    @override
    def connect(self, model: Any) -> None:
        to_matrices(model)
        super().connect(model)

    @override
    def teardown(self) -> None:
        super().teardown()
        if self.lightning_module is not None:
            to_kernels(self.lightning_module)

    @property
    @override
    def is_global_zero(self) -> bool:
        return self.global_rank == 0

    @override
    def setup(self, trainer: Any) -> None:
        set_random_seed(torch.initial_seed() % (1 << 63))
        super().setup(trainer)
        for optimizer in self.optimizers:
            _init_state(optimizer)
        assert self.model is not None
        self.cores.replicate([*self.model.parameters(), *self.model.buffers(), *_state_tensors(self.optimizers)])

    @override
    def process_dataloader(self, dataloader: Any) -> Any:
        return dataloader if isinstance(dataloader, DeviceLoader) else DeviceLoader(dataloader, self.cores.send, sync)

    @override
    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        return _and_sync(super().validation_step(*args, **kwargs))

    @override
    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        return _and_sync(super().test_step(*args, **kwargs))

    @override
    def predict_step(self, *args: Any, **kwargs: Any) -> Any:
        predicted: dict[str, Tensor] = super().predict_step(*args, **kwargs)
        return dict(zip(predicted, self.cores.replicated(list(predicted.values())), strict=True))

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        sync()  # on every host: the first one, which alone writes, must have nothing left to compute
        if self.is_global_zero:
            assert self.lightning_module is not None
            checkpoint = with_kernels(to_cpu(checkpoint), self.lightning_module)
        super().save_checkpoint(checkpoint, *args, **kwargs)

    @override
    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        assert self.lightning_module is not None
        loaded = from_first(partial(super().load_checkpoint, *args, **kwargs))
        return with_matrices(loaded, self.lightning_module)

    @override
    def barrier(self, name: str | None = None, *args: Any, **kwargs: Any) -> None:
        if self.cores.process_count > 1:
            dist.barrier()

    @override
    def broadcast(self, obj: Any, src: int = 0) -> Any:
        objects = [obj]
        if self.cores.process_count > 1:
            dist.broadcast_object_list(objects, src)
        return objects[0]

    @override
    def load_optimizer_state_dict(self, checkpoint: Any) -> None:
        super().load_optimizer_state_dict(checkpoint)
        for optimizer in self.optimizers:
            _set_capturable(optimizer, True)
            for state in optimizer.state.values():
                state["step"] = state["step"].to(self.root_device)
        self.cores.replicate(_state_tensors(self.optimizers))

    @override
    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().optimizer_state(optimizer))
        state["param_groups"] = [{**group, "capturable": False} for group in state["param_groups"]]  # as a CPU has it
        return state


class Accelerator(XLAAccelerator):
    """Lightning's TPU, or the CPU client in its place; `devices` are chosen before Lightning asks."""

    @staticmethod
    @override
    def parse_devices(devices: Any) -> Any:
        return devices

    @staticmethod
    @override
    def get_parallel_devices(devices: Any) -> list[torch.device]:
        return [torch.device("xla", number) for number in range(devices)]

    @staticmethod
    def is_available() -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return True


def _and_sync(result: Any) -> Any:
    """Send a step off, also the last one, before its results are read: they would be computed by other graphs."""
    sync()
    return result


def _init_state(optimizer: Optimizer) -> None:
    """Make the optimizer's state beforehand: made in the first step, it would give that a graph of its own.

    The state is Adam's and AdamW's, as `torch.optim.Adam._init_group` makes it. Gradients end with the step that has
    used them: Lightning would drop them at the next one only, and each step would have to write them to memory.

    Raises:
        UserError: it is another optimizer.
    """
    if not isinstance(optimizer, torch.optim.Adam):
        raise UserError(f"--model.optimizer: {type(optimizer).__name__} is not for a TPU: use adam or adamw")
    _set_capturable(optimizer, True)
    optimizer.register_step_post_hook(lambda stepped, *_: stepped.zero_grad())
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }


def _state_tensors(optimizers: Iterable[Optimizer]) -> Iterator[Tensor]:
    for optimizer in optimizers:
        for state in optimizer.state.values():
            yield from state.values()


def _set_capturable(optimizer: Optimizer, capturable: bool) -> None:
    """Whether the step count is a tensor on the device, so that bias correction is computed there."""
    for group in optimizer.param_groups:
        group["capturable"] = capturable
