"""What Lightning's Trainer is to be given for the hardware that was chosen."""

from collections.abc import Iterable
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from torch import Tensor

from lightning_flowers.errors import UserError
from lightning_flowers.hardware.choice import needs_threads, rehearses, tpu_cores
from lightning_flowers.hardware.host import ChannelsLast


def for_trainer(config: dict[str, Any]) -> dict[str, Any]:
    """The Trainer's arguments, with our strategy where the accelerator is a TPU; its callbacks come first.

    Args:
        config: the Trainer's arguments; accelerator and precision are chosen already.

    Raises:
        UserError: a strategy or a number of devices that cannot be.
    """
    if config["accelerator"] != "tpu":
        return {**config, "callbacks": [ChannelsLast(), *(config["callbacks"] or [])]}
    if config["strategy"] == "xla":
        return _with_lightnings(config)
    if config["strategy"] not in ("auto", "xla_spmd"):
        raise UserError(f"--trainer.strategy={config['strategy']}: on a TPU it is auto, xla_spmd or xla")
    if int(config["num_nodes"]) > 1:
        raise UserError("--trainer.num_nodes: on TPU hosts leave it out: torch_xla knows how many there are")
    return _with_ours(config)


def device_count(trainer: Trainer) -> int:
    """Devices over which a global batch is split, on all hosts together."""
    strategy: Any = trainer.strategy
    return strategy.cores.count if hasattr(strategy, "cores") else trainer.num_devices * trainer.num_nodes


def settle(trainer: Trainer, tensors: Iterable[Tensor]) -> None:
    """Tell the hardware of tensors, beside the model's and the optimizer's, that each step will update."""
    strategy: Any = trainer.strategy
    if hasattr(strategy, "settle"):
        strategy.settle(tensors)


def forks(trainer: Trainer) -> bool:
    """Whether what callbacks collect stays in processes that Lightning forks or spawns, and ends with them."""
    return isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)


def check_launcher(trainer: Trainer, asked: object, fits: bool) -> None:
    """Fail where processes are forked or spawned and there is a better way.

    Args:
        asked: the strategy.
        fits: whether the command is fit, which Lightning's own strategy for TPUs can do.

    Raises:
        UserError: they are.
    """
    if forks(trainer) and not (asked == "xla" and fits):
        mend = "auto" if asked == "xla" else "ddp"
        raise UserError(
            f"--trainer.strategy={asked}: forked or spawned processes keep what they find to themselves: use {mend}"
        )


def _with_ours(config: dict[str, Any]) -> dict[str, Any]:
    from lightning_flowers.hardware.xla import causes

    causes.record()
    from lightning_flowers.hardware.xla.compiles import CompileWatch
    from lightning_flowers.hardware.xla.runtime import Cores
    from lightning_flowers.hardware.xla.strategy import Accelerator, XLASPMDStrategy

    wanted = _devices(config["devices"], tpu_cores() or Accelerator.auto_device_count())
    strategy = XLASPMDStrategy(Cores(wanted), config["precision"], Accelerator())
    callbacks: list[Callback] = [CompileWatch(), *(config["callbacks"] or [])]
    return {
        **config,
        "accelerator": "auto",
        "strategy": strategy,
        "precision": None,
        "devices": wanted,
        "callbacks": callbacks,
    }


def _devices(asked: Any, there: int) -> int:
    if str(asked) in ("auto", "-1", str(there)):
        return there
    if str(asked) == "1":
        return 1
    raise UserError(f"--trainer.devices={asked}: use 1 core, or all {there} of this host (auto)")


def _with_lightnings(config: dict[str, Any]) -> dict[str, Any]:
    if needs_threads():
        raise UserError(
            "--trainer.strategy=xla: on v2 and v3 chips Lightning runs two cores of a process as threads, and fit "
            "gives back the weights it began with: use xla_spmd"
        )
    if rehearses():
        raise UserError("--trainer.strategy=xla: torch_xla's CPU client knows only one process: use xla_spmd")
    return config
