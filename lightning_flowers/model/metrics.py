"""Loss and confusion as sums and counts, read once an epoch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightning_flowers.evaluation.confusion import Scores, scores


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
