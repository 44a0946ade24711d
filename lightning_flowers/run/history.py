"""The history of a run: one row per epoch in metrics.csv, one line per epoch on the screen."""

import time
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from tqdm import tqdm

from lightning_flowers import hardware
from lightning_flowers.files import csv_text, write_text
from lightning_flowers.run.epochs import Epoch

COLUMNS = tuple(Epoch.model_fields)
Row = dict[str, float]


class History(Checkpoint):
    """Prints a line an epoch, writes metrics.csv anew after each, and keeps its rows in the checkpoints, so that a
    resumed run has all.

    It counts as a checkpoint callback because Lightning calls those after the model has logged its training scores,
    and in the order given: History stands before those that save.

    Of an epoch with several validations the row has the scores of the best, the earliest of equals: they are those of
    the weights that are kept.

    Args:
        path: of metrics.csv; None writes none.

    Attributes:
        learning_rate: of the last step, the largest of all groups.
        improved: whether the validation that has just ended is the best so far.
        improved_epoch: whether it is the best of its epoch so far.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.rows: list[Row] = []
        self._started = self._trained = self._waited = self._waiting = 0.0
        self.learning_rate = 0.0
        self._batches = 0
        self._scores: Row = {}  # the epoch and its best validation
        self._forgotten = 0  # epochs, whose weights are gone
        self.improved = self.improved_epoch = self._fits = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._fits = stage == "fit"

    def state_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "batches": self._batches,
            "seconds": time.perf_counter() - self._started,
            "waited": self._waiting - self._waited,
            "scores": self._scores,
            "forgotten": self._forgotten,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if not self._fits:  # predicting with the best epoch's weights, which know nothing of those after it
            return
        self.rows = list(state_dict["rows"])
        # Of an epoch that was under way, for which Lightning does not call `on_train_epoch_start` again.
        self._batches = state_dict["batches"]
        self._started = time.perf_counter() - state_dict["seconds"]
        self._waited = -state_dict["waited"]
        self._scores = dict(state_dict["scores"])
        self._forgotten = state_dict["forgotten"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()
        self._waited = _waited(trainer)
        self._batches = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.learning_rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # The last batch's time is the end of training: validation follows within the same epoch.
        if trainer.is_last_batch:
            hardware.wait(trainer.strategy.root_device)
        self._trained = time.perf_counter()
        self._waiting = _waited(trainer)
        self._batches += 1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.improved = self.improved_epoch = False
        if not self._fits or trainer.sanity_checking:
            return
        metrics = trainer.callback_metrics
        found = {name: float(metrics[name]) for name in COLUMNS if name.startswith("val_") and name in metrics}
        best, epoch = self.best(), trainer.current_epoch + 1
        self.improved = best is None or found["val_macro_f1"] > best["val_macro_f1"]
        known = self._scores.get("epoch") == epoch
        self.improved_epoch = not known or found["val_macro_f1"] > self._scores["val_macro_f1"]
        if self.improved_epoch:
            self._scores = {"epoch": epoch, **found}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        row = self._row(trainer)
        self.rows = [*(kept for kept in self.rows if kept["epoch"] < row["epoch"]), row]
        if trainer.is_global_zero:
            if self.path is not None:
                write_text(self.path, to_csv(self.rows))
            tqdm.write(describe(row, trainer.max_epochs))  # last: who reads the line finds the row

    @property
    def epochs(self) -> list[Epoch]:
        """The rows so far, as `read_run` gives those of a run's folder."""
        return [Epoch.model_validate(row) for row in self.rows]

    def best(self) -> Row | None:
        """The row with the highest macro F1 on val, the earliest of equals; of the epoch under way as far as it is."""
        return next(iter(self._ranked()), None)

    def best_epochs(self, count: int) -> list[int]:
        """Numbers of so many epochs, those with the highest macro F1 on val; the earlier of equals."""
        return list(dict.fromkeys(int(row["epoch"]) for row in self._ranked()))[:count]

    def recall(self, best: dict[str, Any] | None) -> bool:
        """Have the best so far be what its checkpoint says, whose state of a History `best` is; gives whether it is.

        A killed run may have saved it after `last`. Where the checkpoint is gone, the best is that of later epochs.
        """
        epochs = self.rows[-1]["epoch"] if self.rows else 0
        if best is None:
            self._forgotten, self._scores = epochs, {}
        elif best["scores"].get("epoch", 0) > epochs:
            self._scores = dict(best["scores"])
        return best is not None

    def _ranked(self) -> list[Row]:
        scored = [row for row in [*self.rows, self._scores] if "val_macro_f1" in row and row["epoch"] > self._forgotten]
        return sorted(scored, key=lambda row: -row["val_macro_f1"])  # of equals the earlier stays before

    def _row(self, trainer: Trainer) -> Row:
        epoch, metrics = trainer.current_epoch + 1, trainer.callback_metrics
        names = [name for name in COLUMNS if name.startswith("train_") and name in metrics]
        logged = {name: float(metrics[name]) for name in names}
        logged |= self._scores if self._scores.get("epoch") == epoch else {}
        loader: Any = trainer.train_dataloader
        images = self._batches * loader.sampler.batch_size
        return {
            "epoch": epoch,
            **logged,
            "learning_rate": self.learning_rate,
            "seconds": time.perf_counter() - self._started,
            "images_per_second": min(images, loader.sampler.records) / (self._trained - self._started),
            "data_wait_seconds": _waited(trainer) - self._waited,
        }


def to_csv(rows: list[Row]) -> str:
    """The rows as CSV with a header; a value that an epoch lacks is empty."""
    return csv_text(COLUMNS, ([f"{row[name]:.6g}" if name in row else "" for name in COLUMNS] for row in rows))


def describe(row: Row, epochs: int | None) -> str:
    """One line about an epoch."""
    of = f"/{epochs}" if epochs and epochs > 0 else ""
    parts = [f"epoch {row['epoch']:.0f}{of}"]
    for split in ("train", "val"):
        if f"{split}_loss" in row:
            loss, accuracy, macro_f1 = (row[f"{split}_{name}"] for name in ("loss", "accuracy", "macro_f1"))
            parts.append(f"{split} loss {loss:.4f} accuracy {accuracy:.4f} macro F1 {macro_f1:.4f}")
    parts.append(f"lr {row['learning_rate']:.2e}")
    parts.append(f"{row['seconds']:.1f} s, {row['images_per_second']:.1f} images/s")
    return " | ".join(parts)


def _waited(trainer: Trainer) -> float:
    return getattr(trainer.train_dataloader, "waited", 0.0)
