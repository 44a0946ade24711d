"""What a fit leaves in its run's folder while it goes: settings, history, checkpoints, summary."""

from typing import Any

import torch
from jsonargparse import Namespace
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from lightning_flowers.cli.arguments import run_config
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.files import write_text
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.budget import Budget
from lightning_flowers.run.checkpoints import Checkpoints
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.history import History
from lightning_flowers.run.hours import Hours
from lightning_flowers.run.messages import say
from lightning_flowers.run.results import limits_of
from lightning_flowers.run.resuming import ResumeState
from lightning_flowers.run.summary import summarize

# Of TensorBoard's tab Custom Scalars. It takes tags for regular expressions that match from the start: `train_macro_f1`
# would have `_present` too.
_CHARTS = {
    "curves": {
        "loss": ["Multiline", ["train_loss$", "val_loss$"]],
        "accuracy": ["Multiline", ["train_accuracy$", "val_accuracy$"]],
        "macro F1": ["Multiline", ["train_macro_f1$", "val_macro_f1$"]],
        "macro F1 of the classes present": ["Multiline", ["train_macro_f1_present$", "val_macro_f1_present$"]],
        "learning rate": ["Multiline", ["learning_rate$"]],
    }
}


class Recorder(Callback):
    """Keeps a run's folder, and gives every logger the learning rate beside each epoch's scores.

    Args:
        asked: those of the run, as config.yaml is to hold them.
        began: when the process began, by time.monotonic: --hours counts from there.
        launch: what names the launch of its processes; None where no launcher is known.

    Attributes:
        trains: whether training has started.
        budget: of --hours, or None.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: Namespace,
        asked: dict[str, Any],
        data: PetalsDataModule,
        began: float,
        launch: str | None,
    ) -> None:
        self._folder, self._config, self._asked, self._data, self._launch = folder, config, asked, data, launch
        self.trains = False
        self.history = History(folder.metrics)
        self.checkpoints = Checkpoints(
            folder,
            self.history,
            steps=config.save_every_steps,
            minutes=config.save_every_minutes,
            top_k=config.save_top_k,
        )
        self.budget = None if config.hours is None else Budget(folder.seconds_used, config.hours * 3600, began)

    def callbacks(self) -> list[Callback]:
        """All that records, in the order in which later ones save what earlier know."""
        recording = [ResumeState(), self, self.history]
        if self.budget:
            recording.append(Hours(self.budget, self.history, self._data, self._config.predict, self._note_epochs))
        return [*recording, self.checkpoints]

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: FlowerClassifier) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Tell of the run and write its settings once training starts: what cannot be has been refused by then, and a
        resumed run's checkpoint has proved to fit them."""
        self.trains = True
        say("run", str(self._folder.path))
        self._write_config()
        self.summarize(trainer, pl_module)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_custom_scalars(_CHARTS)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Logged as the model logs its scores: all loggers have it at the same step, and in the same row.
        pl_module.log("learning_rate", torch.tensor(self.history.learning_rate))

    @rank_zero_only
    def summarize(self, trainer: Trainer, model: FlowerClassifier) -> None:
        """Write summary.json as the run stands now."""
        if not self._folder.path.is_dir():
            return
        summary = summarize(trainer, model, self.history, self._data.summary())
        before = self._folder.read_summary().get("limits", {}) if self._config.resume else {}
        limits = {**before, **limits_of(self._asked["trainer"])}  # epochs before had those
        summary |= {"seed": self._config.seed_everything, "limits": limits}
        if self.budget:
            self.budget.note()
            summary |= {"hours": self._config.hours, "hours_used": round(self.budget.used / 3600, 5)}
        if self._launch:
            summary["launch"] = self._launch
        if not self._config.resume:
            summary["weights"] = model.origin
        self._folder.write_summary(summary)

    @rank_zero_only
    def _note_epochs(self, epochs: int) -> None:
        """Have the run's settings say how many epochs --hours has left it: by them it is resumed and repeated."""
        self._asked["trainer"]["max_epochs"] = epochs
        self._write_config()

    def _write_config(self) -> None:
        write_text(self._folder.config, run_config(self._asked, self._data))
