"""Which checkpoints a run keeps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from typing_extensions import override

from lightning_flowers.errors import UserError
from lightning_flowers.files import whole_file
from lightning_flowers.run.folder import RunFolder

MONITOR = "val_macro_f1"


class FolderCheckpoint(ModelCheckpoint):
    """Saves one checkpoint at the end of each epoch, in place of the one before, under a name of its own.

    A run folder may be moved before it is resumed: unlike its base class it then still knows the best score, so that a
    worse epoch does not take the best one's place.
    """

    def __init__(self, path: Path, **kwargs: Any) -> None:
        super().__init__(
            dirpath=path.parent,
            filename=path.stem,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
            **kwargs,
        )

    @override
    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        with _in_place(trainer, Path(filepath)) as part:
            super()._save_checkpoint(trainer, str(part))

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = Path(str(self.dirpath))
        if (here / Path(state_dict["best_model_path"]).name).is_file():
            super().load_state_dict(_moved(state_dict, here))


class StepCheckpoint(Checkpoint):
    """Saves `last` inside epochs too, so that little is lost when a run is killed.

    Only after an optimizer step: gradients that are still being accumulated are in no checkpoint. And not just before a
    validation, which a resumed run would leave out, but after the next step.

    Args:
        path: of the checkpoint.
        steps: batches between two of them, or None for none by count.
        minutes: between two of them, or None for none by time.

    Raises:
        UserError: one of them is not above 0.
    """

    def __init__(self, path: Path, steps: int | None, minutes: float | None) -> None:
        for name, value in (("steps", steps), ("minutes", minutes)):
            if value is not None and value <= 0:
                raise UserError(f"--save_every_{name}={value}: must be above 0, or null for never")
        self._path, self._steps, self._minutes = path, steps, minutes
        self._saved = time.monotonic()
        self._due = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch:
            self._due = False  # `last` is about to be saved anyhow
        elif (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self._due = self._due or self._is_due(trainer, batch_idx + 1)
            if self._due and not _validates_now(trainer):
                with _in_place(trainer, self._path) as part:
                    trainer.save_checkpoint(part)
                self._saved, self._due = time.monotonic(), False

    def _is_due(self, trainer: Trainer, batches: int) -> bool:
        if self._steps and batches // self._steps > (batches - trainer.accumulate_grad_batches) // self._steps:
            return True
        if not self._minutes:
            return False
        # The clocks of the processes differ: the first one's counts.
        return bool(trainer.strategy.broadcast(time.monotonic() - self._saved > self._minutes * 60))


def checkpoints(folder: RunFolder, validates: bool) -> list[FolderCheckpoint]:
    """`best` by macro F1 on val, where there is validation; then `last`, which holds what `best` has come to know."""
    last = FolderCheckpoint(folder.last)
    return [FolderCheckpoint(folder.best, monitor=MONITOR, mode="max"), last] if validates else [last]


def _validates_now(trainer: Trainer) -> bool:
    """Whether validation follows the batch that has just ended."""
    loop: Any = trainer.fit_loop
    return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)


@contextmanager
def _in_place(trainer: Trainer, path: Path) -> Iterator[Path]:
    """Where to save so that the file appears at `path` once it is whole; only the first process saves.

    Lightning itself would move it in from the system's temporary folder, which need not be on the same disk.
    """
    if trainer.is_global_zero:
        with whole_file(path) as part:
            yield part
    else:
        yield path


def _moved(state: dict[str, Any], here: Path) -> dict[str, Any]:
    def move(path: str) -> str:
        return str(here / Path(path).name) if path else path

    paths = {name: move(state[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
    best_k = {move(path): score for path, score in state["best_k_models"].items()}
    return {**state, **paths, "dirpath": str(here), "best_k_models": best_k}
