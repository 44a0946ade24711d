"""The checkpoints that a run keeps, and the one way they are written."""

import math
import pickle
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from weakref import proxy

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor
from typing_extensions import override

from lightning_flowers import hardware
from lightning_flowers.errors import DivergedError, UserError
from lightning_flowers.files import atomic_file
from lightning_flowers.lightning_internals import validates_now
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.history import History

# Of a checkpoint, what belongs to the training that it was saved from.
OF_TRAINING = ("optimizer_states", "lr_schedulers", "callbacks", "train_counts")
_LOOK_EVERY = 20  # steps: to ask the first process for the time at each would hold all of them up


class Checkpoints(Checkpoint):
    """Saves `best` when the validation that scored it ends, and `last` at each epoch's end and inside epochs.

    Inside epochs so that little is lost when a run is killed: only after an optimizer step, as gradients that are still
    being accumulated are in no checkpoint; and not just before a validation, which a resumed run would leave out, but
    after the next step.

    A file takes the place of the one before once it is whole, could be read back and holds finite numbers. Loggers are
    told then; they read the attributes, which are those of Lightning's ModelCheckpoint.

    Args:
        folder: of the run; `setup` tells that of the first process to the others.
        history: of the run, which knows whether a validation was the best. It must stand before in the callbacks.
        steps: batches between two saves inside an epoch, or None for none by count.
        minutes: between two of them, or None for none by time.
        top_k: epochs, the best on val, whose weights are kept beside: all that a soup of them needs. A resumed run
            keeps as many as it did before, or more.

    Raises:
        UserError: one of them is not above 0.
    """

    monitor, mode = "val_macro_f1", "max"
    save_last, save_weights_only = True, False

    def __init__(
        self, folder: RunFolder, history: History, steps: int | None, minutes: float | None, top_k: int = 1
    ) -> None:
        for name, value in (("steps", steps), ("minutes", minutes)):
            if value is not None and not 0 < value < math.inf:
                raise UserError(f"--save_every_{name}={value}: must be above 0 and finite, or null for never")
        self.folder, self._history, self._steps, self._minutes = folder, history, steps, minutes
        self.save_top_k = top_k
        self.best_model_path = self.last_model_path = ""
        self.best_model_score: Tensor | None = None
        self.current_score: Tensor | None = None
        self._resumes = self._due = False
        self._saved = time.monotonic()

    @property
    def dirpath(self) -> str:
        """The folder of the checkpoints."""
        return str(self.folder.checkpoints)

    @property
    def best_k_models(self) -> dict[str, Tensor]:
        """The best checkpoint and its score."""
        return {self.best_model_path: self.best_model_score} if self.best_model_score is not None else {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.folder = RunFolder(Path(trainer.strategy.broadcast(str(self.folder.path))))

    def state_dict(self) -> dict[str, Any]:
        return {"top_k": self.save_top_k}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.save_top_k = max(self.save_top_k, state_dict["top_k"])

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._resumes, self.last_model_path = True, str(self.folder.last)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What is the best so far is for its own file to say: a killed run may have saved it after `last`."""
        known: Any = None
        if self._resumes and trainer.is_global_zero and self.folder.best.is_file():
            known = _read(self.folder.best)["callbacks"]["History"]
        if self._resumes and self._history.recall(trainer.strategy.broadcast(known)):
            self.best_model_path = str(self.folder.best)
        if (best := self._history.best()) is not None:
            self.best_model_score = torch.tensor(best[self.monitor])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch:
            self._due = False  # `last` is about to be saved anyhow
        elif (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self._due = self._due or self._is_due(trainer, batch_idx + 1)
            if self._due and not validates_now(trainer):
                self._save_last(trainer)
                self._saved, self._due = time.monotonic(), False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._history.improved:
            self.current_score = trainer.callback_metrics[self.monitor]
            self.best_model_path, self.best_model_score = str(self.folder.best), self.current_score
            self._save(trainer, self.folder.best)
        if self.save_top_k > 1 and self._history.improved_epoch:
            self._keep_epoch(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save_last(trainer)

    def _keep_epoch(self, trainer: Trainer) -> None:
        """Keep this epoch's weights if it is among the best, and no longer those of an epoch that is not."""
        top, epoch = self._history.best_epochs(self.save_top_k), trainer.current_epoch + 1
        if epoch in top:
            self._save(trainer, self.folder.of_epoch(epoch), lean=True)
        if trainer.is_global_zero:
            for path in {*self.folder.kept_epochs()} - {self.folder.of_epoch(each) for each in top}:
                path.unlink()

    def _save_last(self, trainer: Trainer) -> None:
        self.last_model_path = str(self.folder.last)
        self._save(trainer, self.folder.last)

    def _save(self, trainer: Trainer, path: Path, lean: bool = False) -> None:
        if trainer.is_global_zero:
            with atomic_file(path) as part:
                self._write(trainer, part)
                if lean:
                    torch.save(without_training(torch.load(part, map_location="cpu", weights_only=True)), part)
            for logger in trainer.loggers:
                logger.after_save_checkpoint(proxy(self))
        else:
            self._write(trainer, path)

    def _write(self, trainer: Trainer, path: Path) -> None:
        trainer.save_checkpoint(path)  # only the first process writes
        trouble = trainer.strategy.broadcast(_trouble(path) if trainer.is_global_zero else None)
        if trouble is not None:
            raise trouble

    def _is_due(self, trainer: Trainer, batches: int) -> bool:
        if self._steps and batches // self._steps > (batches - trainer.accumulate_grad_batches) // self._steps:
            return True
        step = batches // trainer.accumulate_grad_batches
        if not self._minutes or (trainer.world_size > 1 and step % _LOOK_EVERY):
            return False
        # The clocks of the processes differ: the first one's counts.
        return bool(trainer.strategy.broadcast(time.monotonic() - self._saved > self._minutes * 60))


def without_training(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What of a checkpoint a model is used by."""
    return {name: value for name, value in checkpoint.items() if name not in OF_TRAINING}


class RunCheckpointIO(TorchCheckpointIO):
    """Writes a run's checkpoints as they are to be read, and has the first process read them for the others, which need
    not see its disk."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write straight into the file, where that is an `atomic_file`'s: Lightning holds the whole of it in memory,
        twice at times, and puts it into the temporary folder first."""
        if not str(path).endswith(".part"):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with Path(path).open("wb") as file:
            torch.save(checkpoint, file)

    @override
    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return hardware.from_first(partial(super().load_checkpoint, *args, **kwargs))


def _trouble(path: Path) -> UserError | None:
    """What keeps a checkpoint from taking the place of a good one. Its file is looked at, as on a TPU to look at the
    tensors would be to compile."""
    try:
        checkpoint = _read(path)
    except pickle.UnpicklingError as error:
        return UserError(f"{path.name}: a callback or a plugin puts into it what cannot be read back safely: {error}")
    parts = {
        "weights": checkpoint["state_dict"],
        "optimizer's state": checkpoint["optimizer_states"],
        "average of the weights": checkpoint["callbacks"].get("Ema"),
        "sum of the loss": checkpoint["train_counts"],
    }
    wrong = [name for name, part in parts.items() if not all(tensor.isfinite().all() for tensor in _tensors(part))]
    return DivergedError(f"the {wrong[0]} became nan or infinite in epoch {checkpoint['epoch'] + 1}") if wrong else None


def _read(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _tensors(part: Any) -> Iterator[Tensor]:
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, dict | list | tuple):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _tensors(inner)
