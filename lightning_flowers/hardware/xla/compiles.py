"""Graphs that XLA compiles: how many, how long it took, and a warning where there should be none."""

import warnings
from typing import Any, NamedTuple

import torch_xla.debug.metrics as met
from pytorch_lightning import Callback, LightningModule, Trainer

_MAX_WARNINGS = 5
_READ = "aten::_local_scalar_dense"  # a value that is read back; torch_xla counts it with the operators it has not


class Counters(NamedTuple):
    """What torch_xla has counted since the process began.

    graphs, seconds: that were compiled, and what that took.
    reads: values that were read back, one by one.
    fallbacks: how often each operator ran on the host's CPU, for want of one for XLA.
    """

    graphs: int
    seconds: float
    reads: int
    fallbacks: dict[str, int]


def counters() -> Counters:
    """What was counted so far."""
    graphs, nanoseconds, *_ = met.metric_data("CompileTime") or (0, 0.0)
    fallbacks: Any = {name: met.counter_value(name) for name in met.counter_names() if name.startswith("aten::")}
    return Counters(graphs, nanoseconds / 1e9, fallbacks.pop(_READ, 0), fallbacks)


class CompileWatch(Callback):
    """Warns when a graph is compiled after the first epoch and the first validation.

    Each one costs as long as a TPU needs for many steps.
    """

    def __init__(self) -> None:
        self._known: int | None = None
        self._warned = 0
        self._validated = self._is_warm = False

    def allow_new_graph(self) -> None:
        """Let the epoch that begins have a new graph, as the step is another."""
        self._known, self._is_warm = None, False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._is_warm and self._known is None:
            self._known = counters().graphs

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._look(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated = self._validated or not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._is_warm = self._validated or not trainer.enable_validation
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        graphs = counters().graphs
        if self._known is None or graphs == self._known:
            return
        new, self._known = graphs - self._known, graphs
        self._warned += 1
        if self._warned <= _MAX_WARNINGS:
            warnings.warn(
                f"XLA compiled {new} graph{'s' * (new > 1)} in epoch {trainer.current_epoch + 1}, where none should be "
                "new: a value that is read back, or a shape that changes, does it (PT_XLA_DEBUG_LEVEL=1 before the "
                "command tells the line)",
                stacklevel=2,
            )
