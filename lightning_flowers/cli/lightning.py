"""The command line: Lightning's fit, validate, test and predict over our data, models and run folders."""

from functools import partial
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, LambdaCallback
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger

from lightning_flowers import hardware
from lightning_flowers.cli.arguments import (
    TRAINER_DEFAULTS,
    Parser,
    add_run_arguments,
    choose_checkpoint,
    expand_run,
    run_config,
)
from lightning_flowers.cli.checks import check_classes, check_data
from lightning_flowers.cli.commands import COMMANDS, PROGRAM
from lightning_flowers.cli.effects import check_effects
from lightning_flowers.cli.failures import as_user_errors, how_to_resume
from lightning_flowers.cli.ranges import check_ranges
from lightning_flowers.cli.wording import class_paths, in_short, is_of_a_class
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.ema import Ema
from lightning_flowers.model.features import choose_caches
from lightning_flowers.model.views import check_views, views_of
from lightning_flowers.report.at_exit import leave_report
from lightning_flowers.report.live_curves import Curves
from lightning_flowers.run.callbacks import check_averages, check_callbacks
from lightning_flowers.run.checkpoints import Checkpoints
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.history import History
from lightning_flowers.run.messages import say, say_best, say_scores, say_skipped
from lightning_flowers.run.prediction_folder import choose_out, note_predictions
from lightning_flowers.run.prediction_writer import PredictionCollector, write_predictions
from lightning_flowers.run.progress import Progress
from lightning_flowers.run.ranks import BadRecords, Together
from lightning_flowers.run.results import limits_of
from lightning_flowers.run.resuming import ResumeState, check_changes
from lightning_flowers.run.summary import summarize


class FlowersCLI(LightningCLI):
    """Lightning's command line, with a run folder around it."""

    folder: RunFolder | None = None
    trains = False
    model: FlowerClassifier
    datamodule: PetalsDataModule

    def __init__(self, args: list[str]) -> None:
        self._given = args
        super().__init__(
            FlowerClassifier,
            PetalsDataModule,
            save_config_callback=None,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            parser_kwargs={"prog": PROGRAM, "allow_abbrev": False}
            | {name: {"description": text} for name, text in COMMANDS.items()},
            parser_class=Parser,
            args=expand_run(args),
            auto_configure_optimizers=False,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        # fit has --resume for --ckpt_path, as a history belongs to a folder. No config may have a checkpoint unpickled.
        fit = {"model", "train_dataloaders", "val_dataloaders", "datamodule", "ckpt_path", "weights_only"}
        others = {"model", "dataloaders", "datamodule", "verbose", "return_predictions", "weights_only"}
        return {"fit": fit} | dict.fromkeys(("validate", "test", "predict"), others)

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        if subcommand not in self._given:  # the flags of each take a fifth of a second
            return self.init_parser(**kwargs)
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        add_run_arguments(parser, subcommand)
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
        parser.link_arguments(
            "data", "model.num_classes", compute_fn=lambda data: len(data.classes), apply_on="instantiate"
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_args(args)
        check_ranges(self.config[self.config.subcommand])
        check_effects(str(self.config.subcommand), self.config[self.config.subcommand], self._given)

    def _parse_ckpt_path(self) -> None:
        """Lightning would let the checkpoint's hyper-parameters override the command line. Ours stand in config.yaml,
        which --run and --resume read first, so that what the user gives wins."""

    def before_instantiate_classes(self) -> None:
        config = self._settings
        if config.get("seeds") is not None:
            raise UserError("--seeds: give it on the command line, not in a config")
        self._weights = config.model.weights
        self.folder, self._checkpoint = choose_checkpoint(str(self.subcommand), config)
        self.out = (
            choose_out(config.out, self.folder, str(self._checkpoint)) if config.get("out") is not None else self.folder
        )
        if self._checkpoint:
            config.model.weights = "none"  # the checkpoint has them all
        config.data.seed = int(config.seed_everything)  # `true` has become a number by now
        self._asked = config.clone()
        if self.subcommand == "fit" and self.folder and self._checkpoint:
            check_changes(self.folder, self._checkpoint, self._asked_settings())
        config.trainer.accelerator = hardware.choose_accelerator(config.trainer.accelerator)
        config.trainer.precision = hardware.choose_precision(config.trainer.precision, config.trainer.accelerator)
        hardware.prepare_host(config.trainer.accelerator)

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except (TypeError, ValueError) as error:
            if not is_of_a_class(error):
                raise
            paths = class_paths(str(error))
            keys = [key for key, value in self._settings.items() if any(path in str(value) for path in paths)]
            key = keys[0].removesuffix(".class_path") if keys else "trainer"
            raise UserError(in_short(str(error), key)) from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        own, command = self.folder if self.out is self.folder else None, str(self.subcommand)
        self.model.class_names = self.datamodule.classes
        if self._checkpoint:
            check_classes(command, self.model, self.datamodule, self.folder, self._checkpoint, own is not None)
        check_data(command, self._settings, self.datamodule, own)
        self.history = History()
        self.collector = PredictionCollector()
        callbacks: list[Callback] = [BadRecords(self.datamodule), self.collector]
        config = hardware.for_trainer({**self._get(self.config_init, "trainer"), **kwargs})
        if config["limit_predict_batches"] is not None:
            raise UserError("--trainer.limit_predict_batches: predictions are of whole splits: leave it out")
        if config["fast_dev_run"] and self.subcommand == "predict":
            raise UserError("--trainer.fast_dev_run: predictions are of whole splits: leave it out")
        if self.subcommand == "fit":
            check_callbacks(config["callbacks"], self.datamodule.splits.validates)
            check_averages(config["callbacks"], self.model, config["max_epochs"], config["max_steps"])
        if config["enable_progress_bar"] is not False:
            callbacks.append(Progress())
        if self.subcommand == "fit" and not config["fast_dev_run"]:
            self.folder = self.folder or self._new_folder()
            callbacks += self._recorders(self.folder)
            if config["logger"] in (None, True):
                place = (self.folder.path, "tensorboard", "")
                config["logger"] = TensorBoardLogger(*place, default_hp_metric=False)
        else:
            kept = [callback for callback in config["callbacks"] if not isinstance(callback, Checkpoint)]
            config |= {"logger": False, "enable_checkpointing": False, "callbacks": kept}
        callbacks.append(Together(self.datamodule, self._checkpoint, self.folder, partial(setattr, self, "folder")))
        return self._instantiate_trainer(config, callbacks)

    def _recorders(self, folder: RunFolder) -> list[Callback]:
        """What keeps the history and the checkpoints of a run; in this order, as later ones save what earlier know."""
        config = self._settings
        self.history.path = folder.metrics
        self.checkpoints = Checkpoints(folder, self.history, config.save_every_steps, config.save_every_minutes)
        start = LambdaCallback(on_train_start=self._start_record)
        ema = [Ema(self.model.ema_decay)] if self.model.ema_decay else []
        curves = Curves(self.history, folder.curves)
        return [ResumeState(self.datamodule), start, self.history, curves, *ema, self.checkpoints]

    def after_instantiate_classes(self) -> None:
        devices = hardware.device_count(self.trainer)
        self.datamodule.check_batch_size(devices)
        hardware.check_launcher(self.trainer, self._settings.trainer.strategy)
        say("data", self.datamodule.describe())
        device, precision = hardware.describe(self.trainer.strategy.root_device), self.trainer.precision
        say("hardware", f"{devices} x {device}, precision {precision}")
        say("model", self.model.describe())
        if self.subcommand == "fit":
            choose_caches(self.model, self.datamodule, self.trainer.num_devices, say)
            self._wrap = self.datamodule.wrap

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            with as_user_errors(self.folder, self._checkpoint, resumable=subcommand == "fit"):
                super()._run_subcommand(subcommand)
        except SystemExit as interrupt:  # how Lightning ends after Ctrl-C
            if subcommand != "fit":
                raise KeyboardInterrupt from interrupt
            self._summarize()
            raise KeyboardInterrupt(f"interrupted; {how_to_resume(self.folder)}") from interrupt
        finally:
            if self.folder is not None:
                self.folder.discard_untrained()

    def before_fit(self) -> None:
        if self.folder is None or not self.trainer.is_global_zero:
            return
        if not self._settings.resume:
            self.folder.make()
        say("run", f"{self.folder.path}")

    def after_fit(self) -> None:
        if self.folder is None:
            return
        if not self.trains:
            say("trained", "nothing: the run had come to its end; a higher --trainer.max_epochs would go on")
        self._summarize()
        kept = self.checkpoints.best_model_path or self.checkpoints.last_model_path
        if kept and self.datamodule.names_for("predict"):
            path = str(self.folder.checkpoints / Path(kept).name)  # as this process sees the folder
            self.trainer.predict(self.model, datamodule=self.datamodule, ckpt_path=path, return_predictions=False)
            found = write_predictions(self.folder, self.datamodule, self.collector.results)
            self._note(self.folder, {"tta": "none", **(found or {})})
        self._summarize()  # again: predicting may have found damaged records
        say_skipped(self.datamodule)
        if (best := self.history.best()) is not None:
            say_best(best, len(self.datamodule.classes))
        self._leave_report(self.folder)
        say("run", str(self.folder.path))

    def fit(self, **kwargs: Any) -> None:
        self.trainer.fit(**kwargs)
        self.datamodule.wrap = self._wrap  # val is predicted from what was kept of it: the backbone is the same

    def validate(self, **kwargs: Any) -> None:
        self._say_scores("val", self.trainer.validate(**kwargs, verbose=False))

    def test(self, **kwargs: Any) -> None:
        self._say_scores("test", self.trainer.test(**kwargs, verbose=False))

    def predict(self, **kwargs: Any) -> None:
        settings = self._settings
        self.model.views = views_of(settings.tta)
        check_views(self.model.backbone, self.model.views, self.datamodule.size)
        self.trainer.predict(**kwargs, return_predictions=False)
        assert self.out is not None
        found = write_predictions(self.out, self.datamodule, self.collector.results, settings.decision)
        self._note(self.out, {"tta": settings.tta, **(found or {})})
        if self.folder is not None:
            self._leave_report(self.out)

    @property
    def _settings(self) -> Namespace:
        return self.config[str(self.subcommand)]

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        return {**super()._prepare_subcommand_kwargs(subcommand), "ckpt_path": self._checkpoint}

    def _new_folder(self) -> RunFolder:
        config = self._settings
        return RunFolder.new(Path(config.runs_dir), self.datamodule.splits.label(config.name, config.model.backbone))

    @rank_zero_only
    def _start_record(self, trainer: Trainer, model: LightningModule) -> None:
        """Write the settings once training starts: a resumed run's checkpoint has proved to fit them by then."""
        assert self.folder is not None
        self.trains = True
        write_text(self.folder.config, self._config_yaml())
        self._summarize()

    def _asked_settings(self) -> dict[str, Any]:
        return yaml.safe_load(self._parser(self.subcommand).dump(self._asked, skip_validation=True))

    def _config_yaml(self) -> str:
        return run_config(self._asked_settings(), self._weights, self.datamodule)

    @rank_zero_only
    def _summarize(self) -> None:
        if self.folder is not None and self.folder.path.is_dir():
            summary = summarize(self.trainer, self.model, self.history, self.datamodule.summary())
            before = self.folder.read_summary().get("limits", {}) if self._settings.get("resume") else {}
            limits = {**before, **limits_of(self._asked.trainer.as_dict())}  # epochs before had those
            self.folder.write_summary(summary | {"seed": self._settings.seed_everything, "limits": limits})

    @rank_zero_only
    def _note(self, folder: RunFolder, facts: dict[str, Any]) -> None:
        note_predictions(folder, self.folder, str(self._checkpoint), self.datamodule.summary(), facts)

    @rank_zero_only
    def _leave_report(self, folder: RunFolder) -> None:
        if self._settings.report:
            say("report", leave_report(folder.path))

    def _say_scores(self, split: str, scores: Any) -> None:
        (done,), loader = getattr(self.trainer, f"num_{split}_batches"), getattr(self.trainer, f"{split}_dataloaders")
        part = f" (part of them: {done} of {len(loader)} batches)" if done < len(loader) else ""
        say_scores(split, f"{len(self.datamodule.splits[split])} records{part}", scores[0])
