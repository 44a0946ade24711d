"""`fit --hours`: as many epochs as fit into the hours of a run, under a schedule that is laid for so many."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.lightning_internals import set_epochs
from lightning_flowers.run.budget import Budget
from lightning_flowers.run.history import History
from lightning_flowers.run.messages import say

_RESERVE = 0.05  # of what is left: epochs that take longer than those before, the page of the run


class Hours(Checkpoint):
    """Lowers the number of epochs to what fits, once the second of all layers has been measured: the first compiles, or
    fills caches. Before that only where hardly another would fit; and later where time was lost, as in a run that was
    killed.

    It counts as a checkpoint callback as History does, and stands between it and those that save.

    Args:
        budget: of the run, its start and its predictions included; the first process's counts.
        predicts: whether val and test are predicted at the end.
        note: told the number of epochs, where it is lowered.
    """

    def __init__(
        self, budget: Budget, history: History, data: PetalsDataModule, predicts: bool, note: Callable[[int], None]
    ) -> None:
        self.budget, self._history, self._data, self._predicts, self._note = budget, history, data, predicts, note
        self._began = self._per_batch = 0.0  # the last: seconds that a batch of val takes

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._per_batch = (time.monotonic() - self._began) / max(sum(trainer.num_val_batches), 1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        seconds = [row["seconds"] for row in self._history.rows]
        first = seconds[0] / max(trainer.num_training_batches, 1)
        # Features of test are computed as those of train were in the first epoch; val's are there by then.
        per_batch = first if pl_module.frozen or not self._data.splits.validates else self._per_batch
        left = self.budget.left - per_batch * self._batches_after()
        epochs = trainer.strategy.broadcast(fitting(seconds, left, pl_module.head_epochs))
        most = trainer.max_epochs if trainer.max_epochs not in (None, -1) else math.inf
        if epochs is not None and epochs < most:
            self._say(seconds, epochs, most)
            set_epochs(trainer, epochs)
            pl_module.optimization.reschedule(trainer)
            self._note(epochs)

    def _batches_after(self) -> int:
        """How many batches are predicted when training has ended."""
        names = self._data.names_for("predict") if self._predicts else ()
        return sum(math.ceil(len(self._data.splits[name]) / self._data.batch_size) for name in names)

    def _say(self, seconds: Sequence[float], epochs: int, most: float) -> None:
        used = f"{self.budget.used / 3600:.2f} of {self.budget.seconds / 3600:g} are used"
        if epochs == len(seconds):
            say("hours", f"{used}: no further epoch fits: training ends, before its schedule has")
        else:
            of = f" of {most}" if most < math.inf else ""
            say(
                "hours",
                f"{used}, {seconds[-1] / 60:.1f} minutes by an epoch: {epochs}{of} epochs fit, by a new schedule",
            )


def fitting(seconds: Sequence[float], left: float, head_epochs: int = 0) -> int | None:
    """How many epochs a run can have, those that it had included; None where that had better be asked one later.

    Args:
        seconds: of each epoch so far, one or more.
        left: seconds that are left for training.
        head_epochs: how many begin with the head alone, and are quicker than the others.
    """
    done = len(seconds)
    later = seconds[head_epochs + 1 :] or seconds[head_epochs:] or seconds
    fit = done + max(0, math.floor(left * (1 - _RESERVE) / (sum(later) / len(later))))
    return None if done <= head_epochs + 1 and fit > done + 1 else fit
