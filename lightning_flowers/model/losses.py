"""The training loss of each record: cross entropy, and what is made of it where classes differ in size."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kind = Literal["cross_entropy", "focal", "logit_adjusted"]
GAMMA = 2.0  # of focal: the best of Lin et al. 2017


class TrainingLoss(nn.Module):
    """Losses float32 (batch,) of logits float32 (batch, classes) and labels int64 (batch,).

    - cross_entropy: with smoothed labels, if asked for.
    - focal: that times (1 - p)**2, p being the label's probability: what is right already counts less (Lin et al. 2017,
      arXiv:1708.02002).
    - logit_adjusted: of logits to which the logarithms of the classes' shares are added, which leaves the logits
      themselves, and so all predictions, as if classes were of one size (Menon et al. 2021, arXiv:2007.07314, tau 1).

    Args:
        kind: one of them.
        class_balance: beta; a record counts by 1 / (1 - beta**n), n being how many its class has (Cui et al. 2019,
            arXiv:1901.05555), scaled so that records count 1 in the mean; 0 is off.
        label_smoothing: in 0..1.
    """

    log_shares: Tensor
    weights: Tensor

    def __init__(self, kind: Kind, class_balance: float, label_smoothing: float, num_classes: int) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.class_balance, self.label_smoothing = class_balance, label_smoothing
        self.counts_classes = kind == "logit_adjusted" or class_balance > 0
        self.register_buffer("log_shares", torch.zeros(num_classes), persistent=False)
        self.register_buffer("weights", torch.ones(num_classes), persistent=False)

    def count(self, counts: Sequence[int]) -> None:
        """Take how many training records each class has. One without any counts as if it had one."""
        known = torch.tensor(counts, dtype=torch.float64).clamp(min=1)
        self.log_shares.copy_((known / known.sum()).log())
        if self.class_balance:
            weights = 1 / (1 - self.class_balance**known)
            self.weights.copy_(weights * known.sum() / (weights * known).sum())

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss of each record."""
        if self.kind == "logit_adjusted":
            logits = logits + self.log_shares
        loss = F.cross_entropy(logits, label, label_smoothing=self.label_smoothing, reduction="none")
        if self.kind == "focal":
            loss = loss * (1 - logits.softmax(1).gather(1, label[:, None])[:, 0]) ** GAMMA
        return loss * self.weights[label] if self.class_balance else loss
