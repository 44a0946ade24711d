"""What of a classifier is trained at the moment: all of it, or the head alone, for good or for its first epochs."""

from typing import Any, Self

from pytorch_lightning import LightningModule

from lightning_flowers import hardware


class Phased(LightningModule):
    """Keeps its backbone as it is while the head alone is trained.

    Attributes:
        frozen: whether that is so in all epochs.
        head_epochs: else how many begin with it.
        fixed: whether it is so now.
    """

    backbone: Any
    frozen: bool
    head_epochs: int
    fixed: bool

    def train(self, mode: bool = True) -> Self:
        """Set the mode of training; a fixed backbone stays in evaluation mode."""
        super().train(mode)
        if self.fixed:
            self.backbone.eval()
        return self

    def on_train_start(self) -> None:
        self._begin()  # a run that goes on inside an epoch does not begin that again

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._begin()

    def fix(self, fixed: bool) -> None:
        """Keep the backbone as it is, its BatchNorm too, or have it trained."""
        self.fixed = fixed
        self.backbone.train(self.training and not fixed)
        # DDP would overwrite counts with those of the first process at every step, and wait for gradients.
        passed_over = [name for name, _ in self.named_buffers() if "_counts." in name]
        if fixed:
            passed_over += [name for name, _ in self.named_parameters() if name.startswith("backbone.")]
        self._ddp_params_and_buffers_to_ignore = passed_over

    def _begin(self) -> None:
        """Do so where the epoch asks for it: the step has other gradients from here on."""
        fixed = self.frozen or self.current_epoch < self.head_epochs
        if fixed != self.fixed:
            self.fix(fixed)
            hardware.begin_phase(self.trainer)
