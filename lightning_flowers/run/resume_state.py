"""What lets a run that was cut off go on as if it never had been, and what its processes must tell each other."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.run.resuming import carry_over, convert_batches, steps_per_epoch


class Continuity(Callback):
    """Keeps in the checkpoint how far the epoch has come, its validation's scores so far and the random numbers of
    every process, and goes on there.

    Lightning keeps the loader's state too, but forgets to restore it where a schedule has asked for the length of the
    run, as then it makes its loader before it reads the checkpoint.

    Args:
        data: of the run.
    """

    def __init__(self, data: PetalsDataModule) -> None:
        self._data = data
        self._trainer: Any = None
        self._device: Any = None
        self._state: dict[str, Any] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer, self._device = trainer, trainer.strategy.root_device

    def state_dict(self) -> dict[str, Any]:
        loader = self._trainer.train_dataloader.state_dict()
        return {
            # An epoch may end before its loader does, as with --trainer.limit_train_batches.
            "loader": loader if _inside_epoch(self._trainer) else {**loader, "batches": 0},
            "scores": {name: value for name, value in self._trainer.callback_metrics.items() if "val_" in name},
            "steps_per_epoch": steps_per_epoch(self._trainer),
            "random": hardware.gather(hardware.random_state(self._device)),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        convert_batches(checkpoint, self._data.batch_size)
        # --trainer.max_time is of one command: Lightning would count the time of those before it too, and stop at once.
        checkpoint["callbacks"].pop("Timer", None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._state:
            loader: Any = trainer.train_dataloader
            loader.load_state_dict(self._state["loader"])
            trainer.callback_metrics.update(self._state["scores"])
            if not _inside_epoch(trainer):
                _begin_epoch(trainer)
            carry_over(trainer, self._state.get("steps_per_epoch"))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Not before: building models and a first look at val draw random numbers too. With another number of processes
        # there is nothing to go on with.
        if self._state and len(self._state["random"]) == trainer.world_size:
            hardware.set_random_state(self._state["random"][trainer.global_rank], self._device)
        self._state = None


def _inside_epoch(trainer: Trainer) -> bool:
    progress: Any = trainer.fit_loop.epoch_progress.current
    return progress.processed < progress.started


def _begin_epoch(trainer: Trainer) -> None:
    """Go on with a new epoch. With --trainer.max_steps Lightning takes every resumed run for one that was cut off
    inside an epoch: it would end the last one again, and count that as the next."""
    loop: Any = trainer.fit_loop
    loop._restarting = loop.epoch_loop.restarting = False  # the public setter would not set the first
    loop.reset_restart_stage()
    loop.epoch_loop.reset_restart_stage()
    loop.epoch_progress.current.completed = loop.epoch_progress.current.processed
    loop.epoch_progress.total.completed = loop.epoch_progress.total.processed


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
