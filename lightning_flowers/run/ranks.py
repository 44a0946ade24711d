"""Several processes of one run: whether they share a disk, the data and the checkpoint, and which records are bad."""

import secrets
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder

_PATIENCE = 3.0  # seconds; a network's disk may show a new file late


class RankCheck(Callback):
    """Checks, where a command runs in several processes, that all of them are in one run; in a single one nothing.

    Args:
        data: whose splits the processes have opened.
        checkpoint: from which they start.
        folder: of the run, where it is to be trained; the first process has made it.
        found: told the run's folder, which the first process has chosen, on the others.
    """

    def __init__(
        self,
        data: PetalsDataModule,
        checkpoint: str | None,
        folder: RunFolder | None,
        found: Callable[[RunFolder], None],
    ) -> None:
        self._data, self._checkpoint, self._folder, self._found = data, checkpoint, folder and folder.path, found
        self._checked = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check it, once the processes can talk.

        Raises:
            UserError: on every process, if they are not in one run.
        """
        if trainer.world_size == 1 or self._checked:
            return
        self._checked = True
        prints = {name: split.fingerprint for name, split in self._data.splits.items()}
        _compare(prints, f"{self._data.source.where}: {{}} opened other records there: give all the same shards")
        if self._checkpoint is not None:
            same = (
                f"{self._checkpoint}: {{}} found another checkpoint there: give all a folder on a disk that they share"
            )
            _compare(_contents(self._checkpoint), same)
        if stage == "fit" and self._folder is not None:
            self._folder = self._folder.parent / str(trainer.strategy.broadcast(self._folder.name))
            _check_shared(trainer, self._folder)
            if not trainer.is_global_zero:  # whose own choice may have been the next name, as the first's was taken
                self._found(RunFolder(self._folder))


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


def _compare(mine: object, message: str) -> None:
    everyones = hardware.gather(mine)
    _refuse([one == everyones[0] for one in everyones], message)


def _check_shared(trainer: Trainer, folder: Path) -> None:
    """Have the first process leave a file in its folder, which all must see under their own path."""
    token = folder / str(trainer.strategy.broadcast(f".{secrets.token_hex(8)}"))
    try:
        if trainer.is_global_zero:
            token.touch()
        trainer.strategy.barrier()
        message = (
            f"{folder}: {{}} does not see the folder of the first: give all a --runs_dir on a disk that they share"
        )
        _refuse(hardware.gather(_sees(token)), message)
    finally:
        if trainer.is_global_zero:
            token.unlink(missing_ok=True)


def _refuse(good: list[bool], message: str) -> None:
    if not all(good):
        raise UserError(message.format(f"process {good.index(False)} of {len(good)} (the first is 0)"))


def _sees(file: Path) -> bool:
    until = time.monotonic() + _PATIENCE
    while not (seen := file in _listed(file.parent)) and time.monotonic() < until:
        time.sleep(0.2)
    return seen


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder; listed from above, as network disks remember what was not there."""
    return [*folder.iterdir()] if folder.parent.is_dir() and folder in folder.parent.iterdir() else []


def _contents(checkpoint: str) -> list[tuple[str, int]]:
    """The parts of a checkpoint with their CRCs, without reading them."""
    with zipfile.ZipFile(checkpoint) as parts:
        return [(part.filename.partition("/")[2], part.CRC) for part in parts.infolist()]
