"""Several processes of one run: whether they have the same records, where its folder is, and which records are bad."""

from collections.abc import Callable
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder


class RankCheck(Callback):
    """Checks, where a command runs in several processes, that all have the same records; in a single one nothing.

    The folder of the run may lie on the disk of the first alone: checkpoints are sent to the others, and what they
    predict is gathered.

    Args:
        data: whose splits the processes have opened.
        folder: of the run, where it is to be trained; the first process has made it.
        found: told the run's folder, which the first process has chosen, on the others.
    """

    def __init__(self, data: PetalsDataModule, folder: RunFolder | None, found: Callable[[RunFolder], None]) -> None:
        self._data, self._folder, self._found = data, folder and folder.path, found
        self._checked = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check it, once the processes can talk.

        Raises:
            UserError: on every process, if one has other records.
        """
        if trainer.world_size == 1 or self._checked:
            return
        self._checked = True
        self._check_records()
        if stage == "fit" and self._folder is not None:
            folder = Path(str(trainer.strategy.broadcast(str(self._folder))))
            if not trainer.is_global_zero:  # whose own choice may have been the next name, as the first's was taken
                self._found(RunFolder(folder))

    def _check_records(self) -> None:
        everyones = hardware.gather({name: split.fingerprint for name, split in self._data.splits.items()})
        other = next((rank for rank, one in enumerate(everyones) if one != everyones[0]), None)
        if other is not None:
            raise UserError(
                f"{self._data.source.where}: process {other} of {len(everyones)} (the first is 0) opened other records "
                "there: give all the same shards"
            )


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
                for bad in hardware.gather({position: error.what for position, error in split.bad.items()}):
                    for position, what in bad.items():
                        split.note_bad(position, what)
