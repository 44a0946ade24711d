"""Several processes of one run: whether they have the same records and a common disk, and which records are bad."""

import platform
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say

_PATIENCE = 3.0  # seconds; a network's disk may show a new file late


class RankCheck(Callback):
    """Checks, where a command runs in several processes, that all have the same records, and says if the run's folder
    is on the disk of the first alone; in a single one nothing.

    The others can do without that disk: checkpoints are sent to them, and what they predict is gathered.

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
            _tell_whose_disk(trainer, folder)

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
                for bad in hardware.gather(split.bad):
                    split.bad.update(bad)


def _tell_whose_disk(trainer: Trainer, folder: Path) -> None:
    """Have the first process leave a file in its folder, and say so if it is not seen from another node."""
    token = folder / str(trainer.strategy.broadcast(f".{secrets.token_hex(8)}"))
    try:
        if trainer.is_global_zero:
            token.touch()
        trainer.strategy.barrier()
        hosts = hardware.gather((platform.node(), _sees(token)))
        blind = next((f"process {rank} ({host})" for rank, (host, seen) in enumerate(hosts) if not seen), None)
        if blind:
            say(
                "disk",
                f"{folder} is kept on {hosts[0][0]} alone: {blind} does not see it; it is sent what it needs of it "
                "(--runs_dir on a disk that they share keeps the run where the first node is lost)",
            )
    finally:
        if trainer.is_global_zero:
            token.unlink(missing_ok=True)


def _sees(file: Path) -> bool:
    until = time.monotonic() + _PATIENCE
    while not (seen := file in _listed(file.parent)) and time.monotonic() < until:
        time.sleep(0.2)
    return seen


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder; listed from above, as network disks remember what was not there."""
    return [*folder.iterdir()] if folder.parent.is_dir() and folder in folder.parent.iterdir() else []
