"""Gathers the predictions of a split over batches and processes."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_flowers.errors import UserError


def merge(
    records: int, index: NDArray[np.int64], probabilities: NDArray[np.float32], bad: Collection[int] = ()
) -> NDArray[np.float32]:
    """Put probabilities (n, classes) into the order of their `index` (n,), leaving out padding (-1).

    Args:
        records: of the split.
        index, probabilities: of what was predicted.
        bad: records that could not be read; their rows are nan.

    Raises:
        UserError: another record was not predicted exactly once (as with --trainer.limit_predict_batches).
    """
    known = index >= 0
    counts = np.bincount(index[known], minlength=records)
    counts[list(bad)] = 1
    if len(counts) != records or (counts != 1).any():
        raise UserError(
            f"{int((counts != 1).sum())} of {records} records were not predicted exactly once: "
            "predict needs them all: drop --trainer.limit_predict_batches"
        )
    merged = np.full((records, probabilities.shape[1]), np.nan, np.float32)
    merged[index[known]] = probabilities[known]
    return merged


class PredictionCollector(Callback):
    """Gathers what `predict_step` returns over batches and processes; `results` has one array per loader afterwards."""

    def __init__(self) -> None:
        self.results: list[NDArray[np.float32]] = []
        self._index: dict[int, list[Tensor]] = {}
        self._probabilities: dict[int, list[Tensor]] = {}

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.results, self._index, self._probabilities = [], {}, {}

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._index.setdefault(dataloader_idx, []).append(outputs["index"])
        self._probabilities.setdefault(dataloader_idx, []).append(outputs["probabilities"])

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loaders: Any = trainer.predict_dataloaders
        for number, loader in enumerate(loaders):
            index = _gather(trainer, self._index[number])
            probabilities = _gather(trainer, self._probabilities[number])
            merged = merge(len(loader.split), index.numpy(), probabilities.numpy(), loader.split.bad)
            self.results.append(merged)


def _gather(trainer: Trainer, batches: list[Tensor]) -> Tensor:
    # Every process has as many rows as every other: batches are padded. Put together on the device, they would give
    # XLA a graph for each number of batches.
    gathered = [trainer.strategy.all_gather(batch) for batch in batches]
    return torch.cat([rows.flatten(0, rows.ndim - batches[0].ndim).cpu() for rows in gathered])
