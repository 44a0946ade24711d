"""The command line: Lightning's fit, validate, test and predict over our data, models and run folders."""

import time
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger

from lightning_flowers import hardware
from lightning_flowers.cli.arguments import choose_checkpoint, expand_run
from lightning_flowers.cli.checks import check_data, find_test_labels, why_in_order
from lightning_flowers.cli.child import lead
from lightning_flowers.cli.parser import Parser, make_parser, shorten_help
from lightning_flowers.cli.recorder import Recorder
from lightning_flowers.cli.rejoining import joined
from lightning_flowers.cli.running import Running
from lightning_flowers.cli.settings import check_settings
from lightning_flowers.cli.wording import as_setting_errors
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.lightning_internals import left_by_slurm
from lightning_flowers.model.attaching import adopt_classes
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.callbacks import check_callbacks
from lightning_flowers.run.checkpoints import RunCheckpointIO
from lightning_flowers.run.classes import match_classes
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.run.origin import judge_origin
from lightning_flowers.run.prediction_folder import choose_out
from lightning_flowers.run.prediction_writer import PredictionCollector
from lightning_flowers.run.progress import Progress
from lightning_flowers.run.ranks import Ranks
from lightning_flowers.run.resuming import check_changes


class FlowersCLI(Running, LightningCLI):
    """Lightning's command line, with a run folder around it.

    Args:
        args: the command (fit, validate, test or predict), which is run at once, and its flags.

    Raises:
        UserError: a mistake in them, or in what they name.
    """

    def __init__(self, args: list[str]) -> None:
        self._began = time.monotonic()
        with joined(args) as self._joined:
            self.command, self._given = args[0], self._joined.args
            # Each command has a parser of its own: Lightning's subcommands would build all four.
            super().__init__(
                FlowerClassifier,
                PetalsDataModule,
                save_config_callback=None,
                args=expand_run(self._given)[1:],
                run=False,
                auto_configure_optimizers=False,
            )
            self.run_command()

    def setup_parser(self, *_: Any, **__: Any) -> None:
        self.parser = make_parser(self.command)

    def parse_arguments(self, parser: Parser, args: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if "--help" in args or "-h" in args:
            shorten_help(parser, self.command)
        self.config: Namespace = parser.parse_args(["--help" if arg == "--help=all" else arg for arg in args])
        check_settings(self.command, self.config, self._given)

    def before_instantiate_classes(self) -> None:
        config = self.config
        config.data.seed = int(config.seed_everything)  # `true` has become a number by now
        self._asked = self._plain(config)
        self.folder, self.checkpoint = choose_checkpoint(self.command, config)
        out, writes = config.get("out"), self.command in ("fit", "predict")
        if self.command == "fit" and self.folder and config.hours is None:  # those of a run are of all its sessions
            config.hours = self.folder.read_summary().get("hours")
        if self.folder and out is None and writes and not self.folder.is_writable():
            mend = "give --out=FOLDER, or make it writable" if self.command == "predict" else "make it writable"
            raise UserError(f"{self.folder.path}: cannot be written: {mend}")
        self.out = self.folder if out is None else choose_out(out, self.folder, str(self.checkpoint))
        if self.checkpoint:
            config.model.weights = "none"  # the checkpoint has them all
            if self.command == "fit" and self.folder and not self._joined.again:
                check_changes(self.folder, self._asked)
        config.trainer.accelerator = hardware.choose_accelerator(config.trainer.accelerator)
        config.trainer.precision = hardware.choose_precision(config.trainer.precision, config.trainer.accelerator)
        hardware.prepare_host(config.trainer.accelerator)

    def _plain(self, settings: Namespace) -> dict[str, Any]:
        """Settings as config.yaml holds them."""
        return yaml.safe_load(self.parser.dump(settings, skip_validation=True))

    def instantiate_classes(self) -> None:
        with as_setting_errors(self.config):
            super().instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        self._check_data()
        self.collector = PredictionCollector()
        callbacks: list[Callback] = [Ranks(self.datamodule), self.collector]
        config = hardware.for_trainer({**self.config_init["trainer"], **kwargs})
        if config["enable_progress_bar"] is not False:
            callbacks.append(Progress())
        if self.command == "fit":
            check_callbacks(config["callbacks"], self.datamodule.splits.validates)
        if self.command == "fit" and not config["fast_dev_run"]:
            self.folder = self.folder or self._new_folder()
            callbacks += self._recorders(self.folder)
            if config["logger"] in (None, True):
                config["logger"] = TensorBoardLogger(self.folder.path, "tensorboard", "", default_hp_metric=False)
        else:
            config["callbacks"] = [each for each in config["callbacks"] if not isinstance(each, Checkpoint)]
            config |= {"logger": False, "enable_checkpointing": False}
        return Trainer(**{**config, "callbacks": [*config["callbacks"], *callbacks]})

    def _check_data(self) -> None:
        """Hold the data against the model and the run that they are for."""
        own = self.folder is not None and self.out is self.folder
        weights, data = self.model.weights_file, self.datamodule
        adopt_classes(self.model, data.classes)
        self.model.say = say
        if self.checkpoint:
            why = why_in_order(self.command, data, own)
            self.model.class_order = match_classes(self.checkpoint, self.folder, data.source, why)
        if self.command == "test":
            find_test_labels(data)
        check_data(self.command, self.config, data, self.folder, own)
        if self.folder is not None:
            known = self.folder.read_summary().get("data", {})
            data.splits.begun_external = bool(known.get("external"))
            data.splits.begun_pseudo = known.get("pseudo_labelled", 0)
        elif weights is not None and weights.from_run:
            judge_origin(weights.path, data)
        if self.command == "fit" and self.config.data.pseudo_labels is not None:
            judge_origin(Path(self.config.data.pseudo_labels).expanduser(), data)

    def _new_folder(self) -> RunFolder:
        config = self.config
        label = self.datamodule.splits.label(config.name, config.model.backbone, config.seed_everything)
        return RunFolder.new(Path(config.runs_dir), label)

    def _recorders(self, folder: RunFolder) -> list[Callback]:
        self.recorder = Recorder(folder, self.config, self._asked, self.datamodule, self._began, self._joined.launch)
        return self.recorder.callbacks()

    def after_instantiate_classes(self) -> None:
        devices = hardware.device_count(self.trainer)
        self.datamodule.check_batch_size(devices)
        hardware.check_launcher(self.trainer, self.config.trainer.strategy)
        if hardware.starts_others(self.trainer):
            lead()
        if self.checkpoint is None and (left := left_by_slurm(self.trainer)):
            raise UserError(f"{left}: left by an earlier job: Lightning would begin with it: move it away")
        if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            self.trainer.strategy.checkpoint_io = RunCheckpointIO()
        say("data", self.datamodule.describe())
        device, precision = hardware.describe(self.trainer.strategy.root_device), self.trainer.precision
        say("hardware", f"{devices} x {device}, precision {precision}")
        say("model", self.model.describe())
        if self.config.model.weights not in ("timm", "none"):
            say("weights", self.model.origin)
