"""Several processes of one run: whether they have the same records, and which of these are bad."""

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError


class Ranks(Callback):
    """Checks, once the processes of a run can talk, that all have the same records, and tells every one which records
    any of them could not use.

    The folder of the run may lie on the disk of the first alone: checkpoints are sent to the others, and what they
    predict is gathered.
    """

    def __init__(self, data: PetalsDataModule) -> None:
        self._data, self._checked = data, False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check it, once: of shards under a URL each process opens those that it reads, from then on.

        Raises:
            UserError: on every process, if one has other records.
        """
        if self._checked:
            return
        self._checked = True
        everyones = hardware.gather({name: split.fingerprint for name, split in self._data.splits.items()})
        other = next((rank for rank, one in enumerate(everyones) if one != everyones[0]), None)
        if other is not None:
            raise UserError(
                f"{self._data.source.given}: process {other} of {len(everyones)} (the first is 0) opened other records "
                "there: give all the same shards"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._share()

    on_validation_end = on_test_end = on_predict_epoch_end = on_train_epoch_end

    def _share(self) -> None:
        for split in self._data.splits.values():
            if split.skips:
                for bad in hardware.gather({position: error.what for position, error in split.bad.items()}):
                    for position, what in bad.items():
                        split.note_bad(position, what)
