"""What Lightning's Trainer is to be given for the hardware that was chosen."""

import functools
import os
import signal
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from lightning_fabric.accelerators.xla import XLAAccelerator
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from lightning_flowers.errors import UserError
from lightning_flowers.hardware.choice import check_precision, cpu_client_cores, uses_cpu_client
from lightning_flowers.lightning_internals import spawns_processes

_NOT_LIGHTNINGS = (
    "--trainer.strategy=xla: Lightning's own strategy reads its data from loaders of torch only, and on v2 and v3 "
    "chips gives back the weights it began with: use xla_spmd"
)


def for_trainer(config: dict[str, Any]) -> dict[str, Any]:
    """The Trainer's arguments, with our strategy where the accelerator is a TPU.

    Args:
        config: the Trainer's arguments; accelerator and precision are chosen already.

    Raises:
        UserError: a strategy or a number of devices that cannot be, or a TPU that does not start.
    """
    callbacks = config["callbacks"] or []
    callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
    if config["accelerator"] != "tpu":
        return {**config, "callbacks": callbacks}
    if config["strategy"] == "xla":
        raise UserError(_NOT_LIGHTNINGS)
    if config["strategy"] not in ("auto", "xla_spmd"):
        raise UserError(f"--trainer.strategy={config['strategy']}: on a TPU it is auto or xla_spmd")
    if int(config["num_nodes"]) > 1:
        raise UserError("--trainer.num_nodes: on TPU hosts leave it out: torch_xla knows how many there are")
    return _for_cores({**config, "callbacks": callbacks})


def check_trainer(trainer: Trainer) -> None:
    """Fail where a Trainer, whoever made it, would use a TPU by another strategy than ours, or other weights.

    Raises:
        UserError: so it is.
    """
    if trainer.strategy.root_device.type == "xla" and _cores_of(trainer) is None:
        raise UserError(f"{_NOT_LIGHTNINGS}, as fit does")
    check_precision(str(trainer.precision), trainer.strategy.root_device.type)


def device_count(trainer: Trainer) -> int:
    """Devices over which a global batch is split, on all hosts together."""
    cores = _cores_of(trainer)
    return cores.count if cores else trainer.num_devices * trainer.num_nodes


def replicate(trainer: Trainer, tensors: Iterable[Tensor]) -> None:
    """Have each core keep all of these tensors, which steps will update beside the model and the optimizer's state."""
    cores = _cores_of(trainer)
    if cores:
        cores.replicate(tensors)


def replicated(trainer: Trainer, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Results of a step outside of the Trainer's loops, computed, to be read later."""
    cores = _cores_of(trainer)
    return cores.replicated(tensors) if cores else tensors


def all_rows(trainer: Trainer, batches: Sequence[Tensor]) -> Tensor:
    """The rows of all batches of all processes, on the host; each has as many as every other, as batches are padded.

    Put together on the device, they would give XLA a graph for each number of batches.
    """
    gathered = [trainer.strategy.all_gather(batch) for batch in batches]
    return torch.cat([rows.flatten(0, rows.ndim - batches[0].ndim).cpu() for rows in gathered])


def begin_phase(trainer: Any) -> None:
    """Meet a training step that from here on has gradients of other parameters: DDP waits for each that it wrapped, and
    on XLA there is a new graph."""
    strategy = trainer.strategy
    if isinstance(strategy, DDPStrategy):
        strategy.model = trainer.lightning_module
        strategy.configure_ddp()
    allow_new_graph(trainer)


def allow_new_graph(trainer: Any) -> None:
    """Meet training pictures of another size: on XLA there is a new graph."""
    if _cores_of(trainer):
        from lightning_flowers.hardware.xla.compiles import CompileWatch

        for watch in (each for each in trainer.callbacks if isinstance(each, CompileWatch)):
            watch.allow_new_graph()


def check_launcher(trainer: Trainer, asked: object) -> None:
    """Fail where processes would be forked or spawned, or where several were launched that do not know of each other.

    From here on the Trainer says who is first, and not a variable, which may be left over from another launcher.

    Raises:
        UserError: so it is.
    """
    rank_zero_only.rank = trainer.global_rank  # pyright: ignore[reportFunctionMemberAccess]
    if spawns_processes(trainer):
        raise UserError(
            f"--trainer.strategy={asked}: forked or spawned processes keep their history to themselves: use ddp"
        )
    if trainer.num_nodes > 1 and not {"MASTER_ADDR", "SLURM_NTASKS"} & os.environ.keys():
        raise UserError(
            f"--trainer.num_nodes={trainer.num_nodes}: nothing has started the others: use torchrun or srun"
        )
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched > 1 and trainer.world_size == 1 and TorchElasticEnvironment.detect():
        raise UserError(
            f"torchrun has started {launched} processes, and each would train by itself: give the same number as "
            "--trainer.devices and --trainer.strategy=ddp (or unset TORCHELASTIC_RUN_ID, if it is left over)"
        )


def starts_others(trainer: Trainer) -> bool:
    """Whether the Trainer is going to start further processes by itself."""
    place = getattr(trainer.strategy, "cluster_environment", None)
    return trainer.strategy.launcher is not None and place is not None and not place.creates_processes_externally


def end_others(trainer: Trainer) -> None:
    """End the processes that this one has started for the Trainer, which would wait for it until their time-out."""
    if trainer.strategy.launcher is not None and hasattr(signal, "SIGKILL"):
        trainer.strategy.launcher.kill(signal.SIGKILL)


def _cores_of(trainer: Trainer) -> Any:
    """The TPU cores of our strategy; None with any other."""
    return getattr(trainer.strategy, "cores", None)


def _for_cores(config: dict[str, Any]) -> dict[str, Any]:
    """With our strategy on all cores of the host, or on one."""
    asked = str(config["devices"])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # XLA tells at each graph that its partitioner will be replaced
    if uses_cpu_client():  # its threads, one a core, wait for each other: one that does something else stops all
        os.environ.setdefault("NPROC", str(2 * cpu_client_cores()))
    else:  # torch_xla would take its CPU client where it finds no libtpu
        os.environ.setdefault("PJRT_DEVICE", "TPU")
    from lightning_flowers.hardware.xla.compiles import CompileWatch
    from lightning_flowers.hardware.xla.runtime import Cores
    from lightning_flowers.hardware.xla.strategy import Accelerator, XLASPMDStrategy

    cores = Cores(single=asked == "1")
    if asked not in ("1", "auto", "-1", str(cores.local_count)):
        raise UserError(f"--trainer.devices={asked}: use 1 core, or all {cores.local_count} of this host (auto)")
    XLAAccelerator.auto_device_count = functools.cache(lambda: cores.local_count)  # else of a metadata server
    strategy = XLASPMDStrategy(cores, config["precision"], Accelerator())
    ours = {"accelerator": "auto", "strategy": strategy, "precision": None, "devices": cores.local_count}
    return {**config, **ours, "callbacks": [CompileWatch(), *config["callbacks"]]}
