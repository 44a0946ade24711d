"""What a classifier counts in an epoch, over all processes, and logs at its end."""

import math

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from lightning_flowers import hardware
from lightning_flowers.batch import Batch, FeatureBatch, check_batch, check_labels
from lightning_flowers.errors import DivergedError
from lightning_flowers.lightning_internals import trainer_of
from lightning_flowers.model.metrics import Counts


class ScoringMixin(LightningModule):
    """Logs loss and scores of what its steps have counted.

    Attributes:
        train_counts: of the epoch that is under way.
        eval_counts: of the validation or test that is.
    """

    train_counts: Counts
    eval_counts: Counts

    def on_train_epoch_start(self) -> None:
        self.train_counts.reset()

    def on_validation_epoch_start(self) -> None:
        self.eval_counts.reset()

    on_test_epoch_start = on_validation_epoch_start

    def on_train_epoch_end(self) -> None:
        loss = self._log_scores(self.train_counts, "train")
        if not math.isfinite(loss):
            raise DivergedError(f"the training loss became {loss} in epoch {self.current_epoch + 1}")

    def on_validation_epoch_end(self) -> None:
        self._log_scores(self.eval_counts, "val")

    def on_test_epoch_end(self) -> None:
        self._log_scores(self.eval_counts, "test")

    def check(self, batch: Batch | FeatureBatch, batch_idx: int) -> None:
        """Fail unless a batch is one: its labels once an epoch, and only where reading them costs next to nothing."""
        check_batch(batch)
        if batch_idx == 0 and hardware.reads_cheaply(batch["label"].device):
            check_labels(batch)

    def sums_so_far(self) -> dict[str, Tensor]:
        """Those of an epoch that is under way, over all processes."""
        return self.train_counts.sums(self._sum)

    def resume_counts(self, sums: dict[str, Tensor]) -> None:
        """Go on from `sums_so_far`. All processes are summed, where each counts its own: the others begin at zero."""
        if self.trainer.is_global_zero or self._counts_all():
            self.train_counts.add(sums)

    def records(self, mask: Tensor) -> Tensor:
        """What the sum of a batch's losses is divided by: its records, of all processes, and of those the mean, as DDP
        takes the mean of their gradients; the last batch of an epoch need not be the same size on each. Hosts of a TPU
        have the global batch, and its gradients, as they are."""
        trainer = trainer_of(self)
        if trainer is None or trainer.world_size == 1 or self._counts_all():
            return mask.sum().clamp(min=1)
        return hardware.summed(mask.sum()).clamp(min=1) / trainer.world_size

    def _counts_all(self) -> bool:
        """Whether each process counts the global batch, not its part of it."""
        return getattr(self.trainer.strategy, "counts_all", False)

    def _sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        return self.trainer.strategy.reduce(tensor, reduce_op="sum")

    def _log_scores(self, counts: Counts, prefix: str) -> float:
        loss, scores = counts.compute(self._sum)
        named = {"loss": loss, **scores._asdict()}
        self.log_dict({f"{prefix}_{name}": torch.tensor(value) for name, value in named.items()})
        return loss
