"""What lets a run that was cut off go on as if it never had been, and what its processes must tell each other."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule


class Continuity(Callback):
    """Keeps in the checkpoint how far the epoch has come and the random numbers of every process, and goes on there.

    Lightning keeps the loader's state too, but forgets to restore it where a schedule has asked for the length of the
    run, as then it makes its loader before it reads the checkpoint.
    """

    def __init__(self) -> None:
        self._trainer: Any = None
        self._device: Any = None
        self._state: dict[str, Any] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer, self._device = trainer, trainer.strategy.root_device

    def state_dict(self) -> dict[str, Any]:
        return {
            "loader": self._trainer.train_dataloader.state_dict(),
            "random": hardware.gather(hardware.random_state(self._device)),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._state:
            loader: Any = trainer.train_dataloader
            loader.load_state_dict(self._state["loader"])

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Not before: building models and a first look at val draw random numbers too. With another number of processes
        # there is nothing to go on with.
        if self._state and len(self._state["random"]) == trainer.world_size:
            hardware.set_random_state(self._state["random"][trainer.global_rank], self._device)
        self._state = None


class BadRecords(Callback):
    """Tells every process which records any of them could not use."""

    def __init__(self, data: PetalsDataModule) -> None:
        self._data = data

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._share()

    on_validation_end = on_test_end = on_predict_epoch_end = on_train_epoch_end

    def _share(self) -> None:
        for split in self._data.splits.values():
            if split.skips:
                for bad in hardware.gather(split.bad):
                    split.bad.update(bad)
