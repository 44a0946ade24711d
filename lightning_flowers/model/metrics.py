"""Loss, accuracy and macro F1 as sums and counts, read once an epoch."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Scores(NamedTuple):
    """What a confusion matrix says.

    accuracy: of all images, 0..1; nan if there is none.
    macro_f1: mean F1 over all classes; a class with no true and no predicted image counts 0 (the competition's score).
    macro_f1_present: mean F1 over the classes with a true or a predicted image.
    """

    accuracy: float
    macro_f1: float
    macro_f1_present: float


def scores(confusion: NDArray[np.int64]) -> Scores:
    """Scores of a confusion matrix (classes, classes) whose rows are the true classes.

    F1 of a class is 2 TP / (2 TP + FP + FN), as in scikit-learn's `f1_score`, with 0 for 0/0.
    """
    hits = np.diag(confusion).astype(np.float64)
    seen = confusion.sum(0) + confusion.sum(1)
    f1 = np.divide(2 * hits, seen, out=np.zeros_like(hits), where=seen > 0)
    total = int(confusion.sum())
    accuracy = float(hits.sum() / total) if total else float("nan")
    return Scores(accuracy, float(f1.mean()), float(f1[seen > 0].mean()) if total else float("nan"))


class Counts(nn.Module):
    """Sums over an epoch, kept on the device: nothing is read back until `compute`.

    Shapes never change, so that XLA compiles an update once.
    """

    confusion: Tensor
    loss: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("confusion", torch.zeros(num_classes * num_classes, dtype=torch.int64), persistent=False)
        self.register_buffer("loss", torch.zeros((), dtype=torch.float64), persistent=False)

    def reset(self) -> None:
        """Forget everything."""
        self.confusion.zero_()
        self.loss.zero_()

    def update(self, logits: Tensor, label: Tensor, mask: Tensor, loss: Tensor) -> None:
        """Add a batch.

        Args:
            logits: (batch, classes).
            label: int64 (batch,); ignored where the mask is False.
            mask: bool (batch,).
            loss: (batch,), of each image.
        """
        cell = label.clamp(min=0) * self.num_classes + logits.argmax(1)
        self.confusion.scatter_add_(0, cell, mask.long())
        self.loss += torch.where(mask, loss, 0).sum().double()

    def sums(self, sum_over_processes: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """What was counted so far by all processes: for a checkpoint, or to `add`."""
        return {name: sum_over_processes(tensor.clone()) for name, tensor in self.named_buffers()}

    def add(self, sums: dict[str, Tensor]) -> None:
        """Count on from what `sums` gave."""
        for name, tensor in self.named_buffers():
            tensor.add_(sums[name].to(tensor.device))

    def compute(self, sum_over_processes: Callable[[Tensor], Tensor]) -> tuple[float, Scores]:
        """The mean loss and the scores over all processes."""
        sums = self.sums(sum_over_processes)
        confusion = sums["confusion"].cpu().numpy().reshape(self.num_classes, self.num_classes)
        return float(sums["loss"]) / max(int(confusion.sum()), 1), scores(confusion)
