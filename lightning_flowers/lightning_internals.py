"""All that the package uses of Lightning's private parts, and of those of its loops that are not meant to be set.

Lightning may change them in any version. So they stand in this file alone, each with what it is for, and
`pytorch-lightning` has an upper bound in pyproject.toml; tests/test_lightning_internals.py watches both. The names that
a command line of Lightning's is made of are in `cli`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.plugins import XLAPrecision
from pytorch_lightning.strategies import ParallelStrategy
from pytorch_lightning.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from pytorch_lightning.tuner import lr_finder
from typing_extensions import override

TESTED = ("2.6.0", "2.6.6")  # of Lightning: by the tests of resuming and of this file, the last by all others too


def trainer_of(model: LightningModule) -> Trainer | None:
    """The Trainer that a model is attached to; `model.trainer` raises an error where there is none."""
    return model._trainer


def spawns_processes(trainer: Trainer) -> bool:
    """Whether the Trainer forks or spawns its processes; launchers have no public class for it."""
    return isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)


def syncs_batch_norm(trainer: Trainer) -> bool:
    """Whether processes exchange BatchNorm's statistics within a forward pass: --trainer.sync_batchnorm."""
    strategy = trainer.strategy
    return isinstance(strategy, ParallelStrategy) and strategy._layer_sync is not None


def left_by_slurm(trainer: Trainer) -> str | None:
    """The checkpoint of an earlier SLURM job in the working folder that a fit without one would load, unasked."""
    return trainer._checkpoint_connector._hpc_resume_path if SLURMEnvironment.detect() else None


def validates_now(trainer: Trainer) -> bool:
    """Whether a validation follows the batch that has just ended; callbacks are not told."""
    loop: Any = trainer.fit_loop
    return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)


def inside_epoch(trainer: Trainer) -> bool:
    """Whether an epoch is under way; also right after a checkpoint has been loaded."""
    progress: Any = trainer.fit_loop.epoch_progress
    return progress.current.processed < progress.current.started


def set_epochs(trainer: Trainer, epochs: int) -> None:
    """Have a run that is under way end after so many epochs."""
    trainer.fit_loop.max_epochs = epochs


def begin_epoch(trainer: Trainer) -> None:
    """Go on with a new epoch. With --trainer.max_steps Lightning takes every resumed run for one that was cut off
    inside an epoch: it would end the last one again, and count that as the next."""
    loop: Any = trainer.fit_loop
    loop._restarting = loop.epoch_loop.restarting = False  # the public setter would not set the first
    loop.reset_restart_stage()
    loop.epoch_loop.reset_restart_stage()
    loop.epoch_progress.current.completed = loop.epoch_progress.current.processed
    loop.epoch_progress.total.completed = loop.epoch_progress.total.processed


@contextmanager
def lr_find_bar(shown: bool) -> Iterator[None]:
    """Let the Tuner's test of rates draw its bar, or not: it draws one whatever the Trainer's setting."""
    module: Any = lr_finder
    bar, module.tqdm = module.tqdm, partial(module.tqdm, disable=not shown)
    try:
        yield
    finally:
        module.tqdm = bar


class GlobalBatchPrecision(XLAPrecision):
    """Lightning's, without its sum of gradients over processes: under SPMD they are of the global batch already."""

    @override
    def _xla_wrap_closure(self, optimizer: Any, closure: Callable[[], Any]) -> Any:
        return closure()
