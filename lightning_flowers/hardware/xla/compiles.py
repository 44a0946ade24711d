"""Graphs that XLA compiles: how many, how long it took, and a warning where there should be none."""

import warnings
from typing import Any, NamedTuple

import torch_xla.debug.metrics as met
from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers.hardware.xla.causes import causes

_MOST_WARNINGS = 5


class Compiles(NamedTuple):
    """Graphs that were compiled since the process began, and the seconds that it took."""

    graphs: int
    seconds: float


def compiles() -> Compiles:
    """What was compiled so far."""
    data: Any = met.metric_data("CompileTime")
    return Compiles(data[0], data[1] / 1e9) if data else Compiles(0, 0.0)


def fallbacks() -> dict[str, int]:
    """How often each operator ran on the host's CPU, for want of one for XLA."""
    return {name: met.counter_value(name) for name in met.counter_names() if name.startswith("aten::")}


def sent() -> int:
    """Bytes that crossed from the host to the cores so far."""
    data: Any = met.metric_data("OutboundData")
    return int(data[1]) if data else 0


class CompileWatch(Callback):
    """Warns when a graph is compiled after the first epoch and the first validation.

    Each one costs as long as a TPU needs for many steps.

    Attributes:
        late: how many graphs were compiled after these.
    """

    def __init__(self) -> None:
        self.late = 0
        self._known: int | None = None
        self._validated = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._first = trainer.current_epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        validated = self._validated or not trainer.enable_validation
        if self._known is None and validated and trainer.current_epoch > self._first:
            self._known = compiles().graphs
        self._look(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._look(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._look(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated = self._validated or not trainer.sanity_checking
        self._look(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        graphs = compiles().graphs
        if self._known is None or graphs == self._known:
            return
        new, self._known = graphs - self._known, graphs
        self.late += new
        if self.late - new < _MOST_WARNINGS:
            warnings.warn(_describe(new, trainer.current_epoch + 1), stacklevel=2)


def _describe(new: int, epoch: int) -> str:
    last = causes()[-1:]
    cause = f": {last[0].why}, at {last[0].where}" if last else ""
    return (
        f"XLA compiled {new} graph{'s' * (new > 1)} in epoch {epoch}, where none should be new{cause} "
        "(a value that is read back, or a shape that changes, does it)"
    )
