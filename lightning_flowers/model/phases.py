"""What of a classifier is trained at the moment, and on what: the head alone or all of it, small pictures or large."""

from typing import Any, Self

from pytorch_lightning import LightningModule

from lightning_flowers import hardware
from lightning_flowers.model.growth import side_at, stage_at


class PhasesMixin(LightningModule):
    """Keeps its backbone as it is while the head alone is trained.

    Attributes:
        frozen: whether that is so in all epochs.
        head_epochs: else how many begin with it.
        fixed: whether it is so now.
        first_size: side in pixels of training pictures in the first epoch, if they grow.
    """

    backbone: Any
    frozen: bool
    head_epochs: int
    fixed: bool
    first_size: int | None

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
        """Do as the epoch asks for: the step has other gradients from here on, or pictures of another size."""
        epoch = self.current_epoch
        fixed = self.frozen or epoch < self.head_epochs
        if fixed != self.fixed:
            self.fix(fixed)
            hardware.begin_phase(self.trainer)
        elif self.first_size is not None and self._stage(epoch) != self._stage(epoch - 1):
            hardware.allow_new_graph(self.trainer)

    def side(self, size: int) -> int:
        """Side in pixels that training pictures of `size` pixels have in this epoch."""
        return size if self.first_size is None else side_at(self._stage(self.current_epoch), self.first_size, size)

    def _stage(self, epoch: int) -> int:
        """How far pictures have grown in an epoch."""
        return stage_at(epoch, self.trainer.max_epochs or 1)
