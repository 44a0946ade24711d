"""The progress bar."""

import sys
import time
from collections.abc import Callable
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm
from torch import Tensor
from typing_extensions import override

from lightning_flowers import hardware
from lightning_flowers.environment import shows_bars

LOSS_EVERY = 1.0  # seconds; reading the loss waits for the device


class Progress(TQDMProgressBar):
    """Lightning's bars in images/s, with time left, the loss and what is done; none where no line can be redrawn."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=int(shows_bars(sys.stderr)))
        self._loss: dict[str, int | str | float | dict[str, float]] = {}
        self._loss_read = 0.0

    @override
    def init_sanity_tqdm(self) -> Tqdm:
        return _told(super().init_sanity_tqdm(), None, lambda _: "trying val before training")

    @override
    def init_train_tqdm(self) -> Tqdm:
        of = f"/{last}" if (last := self.trainer.max_epochs or -1) > 0 else ""
        return _told(super().init_train_tqdm(), self.trainer.train_dataloader, lambda epoch: f"epoch {epoch + 1}{of}")

    @override
    def init_validation_tqdm(self) -> Tqdm:
        return _told(super().init_validation_tqdm(), self.trainer.val_dataloaders, lambda _: "scoring val")

    @override
    def init_test_tqdm(self) -> Tqdm:
        return _told(super().init_test_tqdm(), self.trainer.test_dataloaders, lambda _: "scoring test")

    @override
    def init_predict_tqdm(self) -> Tqdm:
        trainer: Any = self.trainer
        names = trainer.datamodule.names_for("predict")
        return _told(
            super().init_predict_tqdm(), self.trainer.predict_dataloaders, lambda at: f"predicting {names[at]}"
        )

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.is_enabled and isinstance(outputs.get("loss"), Tensor):
            self._read_loss(outputs["loss"])
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    @override
    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        return self._loss

    def _read_loss(self, loss: Tensor) -> None:
        now = time.monotonic()
        if now - self._loss_read > LOSS_EVERY and hardware.reads_cheaply(loss.device):
            self._loss_read = now
            self._loss = {"loss": f"{loss.item():.4f}"}


def _told(bar: Tqdm, loaders: Any, tell: Callable[[int], str]) -> Tqdm:
    """A bar that counts images and says what is done where Lightning says `Epoch 0` or `Validation DataLoader 0`.

    Args:
        loaders: whose batches it counts; None for a bar that counts them as they are.
        tell: what is done, by Lightning's number: of the epoch, or of the loader.
    """
    loader = loaders[0] if isinstance(loaders, list) else loaders
    bar.leave = False
    if loader is not None:
        bar.unit, bar.unit_scale = " images", loader.sampler.batch_size
    describe = bar.set_description
    bar.set_description = lambda desc, refresh=True: describe(tell(int(str(desc).rpartition(" ")[2])), refresh)
    return bar
