"""The history of a run: one row per epoch in metrics.csv, one line per epoch on the screen."""

import csv
import io
import time
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from tqdm import tqdm

from lightning_flowers.files import write_text

SCORES = ("loss", "accuracy", "macro_f1", "macro_f1_present")
COLUMNS = (
    "epoch",
    *(f"train_{name}" for name in SCORES),
    *(f"val_{name}" for name in SCORES),
    "learning_rate",
    "seconds",
    "images_per_second",
    "data_wait_seconds",
)
Row = dict[str, float]


class History(Checkpoint):
    """Writes metrics.csv anew after each epoch, and keeps its rows in the checkpoints, so that a resumed run has all.

    It counts as a checkpoint callback because Lightning calls those after the model has logged its training scores,
    and in the order given: History stands before those that save.

    Args:
        path: of metrics.csv; None writes none.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: list[Row] = []
        self._started = self._trained = self._waited = self._waiting = self._learning_rate = 0.0
        self._batches = 0
        self._validated = False
        self._fits = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._fits = stage == "fit"

    def state_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "batches": self._batches,
            "seconds": time.perf_counter() - self._started,
            "waited": self._waiting - self._waited,
            "validated": self._validated,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if not self._fits:  # predicting with the best epoch's weights, which know nothing of those after it
            return
        self.rows = list(state_dict["rows"])
        # Of an epoch that was under way, for which Lightning does not call `on_train_epoch_start` again.
        self._batches = state_dict["batches"]
        self._started = time.perf_counter() - state_dict["seconds"]
        self._waited = -state_dict["waited"]
        self._validated = state_dict["validated"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()
        self._waited = _waited(trainer)
        self._batches, self._validated = 0, False

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._learning_rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # The last batch's time is the end of training: validation follows within the same epoch.
        self._trained = time.perf_counter()
        self._waiting = _waited(trainer)
        self._batches += 1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        row = self._row(trainer)
        self.rows = [*(kept for kept in self.rows if kept["epoch"] < row["epoch"]), row]
        if trainer.is_global_zero:
            tqdm.write(describe(row, trainer.max_epochs))
            if self.path is not None:
                write_text(self.path, to_csv(self.rows))

    def best(self) -> Row | None:
        """The row with the highest macro F1 on val, the earliest of equals."""
        scored = [row for row in self.rows if "val_macro_f1" in row]
        return max(scored, key=lambda row: row["val_macro_f1"], default=None)

    def _row(self, trainer: Trainer) -> Row:
        # Lightning keeps the scores of an earlier validation: they are not this epoch's.
        names = [name for name in COLUMNS if self._validated or not name.startswith("val_")]
        logged = {name: float(trainer.callback_metrics[name]) for name in names if name in trainer.callback_metrics}
        loader: Any = trainer.train_dataloader
        images = self._batches * loader.sampler.batch_size
        return {
            "epoch": trainer.current_epoch + 1,
            **logged,
            "learning_rate": self._learning_rate,
            "seconds": time.perf_counter() - self._started,
            "images_per_second": min(images, loader.sampler.records) / (self._trained - self._started),
            "data_wait_seconds": _waited(trainer) - self._waited,
        }


def to_csv(rows: list[Row]) -> str:
    """The rows as CSV with a header; a value that an epoch lacks is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
    return text.getvalue()


def describe(row: Row, epochs: int | None) -> str:
    """One line about an epoch."""
    of = f"/{epochs}" if epochs and epochs > 0 else ""
    parts = [f"epoch {row['epoch']:.0f}{of}"]
    for split in ("train", "val"):
        if f"{split}_loss" in row:
            loss, accuracy, macro_f1 = (row[f"{split}_{name}"] for name in ("loss", "accuracy", "macro_f1_present"))
            parts.append(f"{split} loss {loss:.4f} accuracy {accuracy:.4f} macro F1 {macro_f1:.4f}")
    parts.append(f"lr {row['learning_rate']:.2e}")
    parts.append(f"{row['seconds']:.1f} s, {row['images_per_second']:.1f} images/s")
    return " | ".join(parts)


def _waited(trainer: Trainer) -> float:
    return getattr(trainer.train_dataloader, "waited", 0.0)
