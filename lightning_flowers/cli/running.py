"""What fit, validate, test and predict do once data, model and Trainer are built."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from jsonargparse import Namespace
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import Trainer

from lightning_flowers import hardware
from lightning_flowers.cli.failures import as_user_errors
from lightning_flowers.cli.recorder import Recorder
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Decision
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.features import choose_caches
from lightning_flowers.model.views import views_of
from lightning_flowers.report.at_exit import leave_report
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.lock import held
from lightning_flowers.run.messages import say, say_best, say_scores, say_skipped
from lightning_flowers.run.prediction_folder import note_predictions, outdated
from lightning_flowers.run.prediction_writer import PredictionCollector, write_predictions


class Running:
    """The commands of a FlowersCLI.

    Attributes:
        command: fit, validate, test or predict.
        folder: the run's; None where nothing is kept, and of a checkpoint that is no run's.
        out: where predictions go: the run's folder, or another.
        recorder: notes a fit in the run's folder.
        collector: gathers what is predicted.
        checkpoint: what the model begins with.
    """

    command: str
    config: Namespace
    model: FlowerClassifier
    datamodule: PetalsDataModule
    trainer: Trainer
    collector: PredictionCollector
    folder: RunFolder | None = None
    out: RunFolder | None = None
    recorder: Recorder | None = None
    checkpoint: str | None = None

    def run_command(self) -> None:
        fits = self.command == "fit"
        try:
            with as_user_errors(self.folder, self.checkpoint, resumable=fits):
                getattr(self, self.command)()
        except BaseException as error:
            if self.recorder and isinstance(error, KeyboardInterrupt):
                self.recorder.summarize(self.trainer, self.model)
            hardware.end_others(self.trainer)
            raise
        finally:
            if self.folder is not None:
                self.folder.discard_untrained()
                if fits:
                    self._tell_old_predictions(self.folder)

    def fit(self) -> None:
        """Train; then predict and report, where there is a folder for it."""
        choose_caches(self.model, self.datamodule, self.trainer.num_devices, say)
        wrap = self.datamodule.wrap
        folder = self.folder if self.trainer.is_global_zero else None
        if folder and not self.config.resume:
            folder.make()
        budget = self.recorder.budget if self.recorder and folder else None
        # The budget is noted meanwhile: what a killed run has used is known.
        with held(folder) if folder else nullcontext(), budget or nullcontext():
            self.trainer.fit(self.model, datamodule=self.datamodule, ckpt_path=self.checkpoint)
            self.datamodule.wrap = wrap  # val is predicted from what was kept of it: the backbone is the same
            self.after_fit()

    def after_fit(self) -> None:
        """Predict with the best epoch, say how good it is, and leave the run's page."""
        if self.folder is None or self.recorder is None:
            return
        record = self.recorder
        if not record.trains:
            limit = "max_steps" if 0 <= self.trainer.max_steps <= self.trainer.global_step else "max_epochs"
            higher = f"{'more --hours and ' if record.budget else ''}a higher --trainer.{limit}"
            say("trained", f"nothing: the run had come to its end; {higher} would go on")
        record.summarize(self.trainer, self.model)
        kept = record.checkpoints.best_model_path or record.checkpoints.last_model_path
        if kept and self.config.predict and self.datamodule.names_for("predict"):
            self._predict(self.folder, kept, "none")
        record.summarize(self.trainer, self.model)  # again: predicting may have found damaged records
        say_skipped(self.datamodule)
        if (best := record.history.best()) is not None:
            say_best(best)
        self._leave_report(self.folder)
        if record.budget:
            say("hours", f"{record.budget.used / 3600:.3f} of {self.config.hours:g} were used")
        say("run", str(self.folder.path))

    def validate(self) -> None:
        """Score the val split."""
        self._score("val", self.trainer.validate)

    def test(self) -> None:
        """Score the test split."""
        self._score("test", self.trainer.test)

    def predict(self) -> None:
        """Predict val and test."""
        assert self.out is not None
        self.model.views = views_of(self.config.tta)
        self._predict(self.out, self.checkpoint, self.config.tta, self.config.decision)
        if self.folder is not None:
            self._leave_report(self.out)

    def _predict(self, out: RunFolder, checkpoint: str | None, tta: str, decision: Decision = "argmax") -> None:
        self.trainer.predict(self.model, datamodule=self.datamodule, ckpt_path=checkpoint, return_predictions=False)
        found = write_predictions(out, self.datamodule, self.collector.results, decision)
        if self.trainer.is_global_zero:
            facts = {"tta": tta, **(found or {})}
            note_predictions(out, self.folder, str(checkpoint), self.datamodule.summary(), facts)

    def _score(self, split: str, score: Callable[..., Any]) -> None:
        scores = score(self.model, datamodule=self.datamodule, ckpt_path=self.checkpoint, verbose=False)
        if not scores:
            raise UserError(f"--trainer.limit_{split}_batches=0: leaves nothing to score: give 1.0 for all of it")
        (done,), loader = getattr(self.trainer, f"num_{split}_batches"), getattr(self.trainer, f"{split}_dataloaders")
        part = f" (part of them: {done} of {len(loader)} batches)" if done < len(loader) else ""
        say_scores(split, f"{len(self.datamodule.splits[split])} records{part}", scores[0])

    @rank_zero_only
    def _tell_old_predictions(self, folder: RunFolder) -> None:
        if old := outdated(folder.path):  # the run went on, and was cut off or was not to predict
            warnings.warn(old, stacklevel=1)  # of others than the package's files none is shown

    @rank_zero_only
    def _leave_report(self, folder: RunFolder) -> None:
        if self.config.report:
            say("report", leave_report(folder.path))
