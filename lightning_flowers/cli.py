"""The command line: Lightning's fit, validate, test and predict over our data, models and run folders."""

import errno
import logging
import shutil
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, LambdaCallback
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from tqdm import tqdm

from lightning_flowers import hardware
from lightning_flowers.commands import COMMANDS, PROGRAM
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run import submission
from lightning_flowers.run.checkpoints import checkpoints
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.history import History
from lightning_flowers.run.predictions import PredictionCollector, Predictions
from lightning_flowers.run.progress import Progress
from lightning_flowers.run.summary import summarize

TRAINER_DEFAULTS = {"max_epochs": 6, "log_every_n_steps": 1, "enable_model_summary": False}
_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)
# What config.yaml of a run leaves out: it belongs to one command, not to the run.
_OF_ONE_COMMAND = ("config", "name", "runs_dir", "resume", "ckpt_path", "weights_only")


class Parser(LightningArgumentParser):
    """Turns every mistake on the command line into one line."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise UserError(f"{' '.join(message.split())} (see --help)") from ex


class FlowersCLI(LightningCLI):
    """Lightning's command line, with a run folder around it."""

    folder: RunFolder | None = None
    model: FlowerClassifier
    datamodule: PetalsDataModule

    def __init__(self, args: list[str]) -> None:
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
        # fit has --resume in place of --ckpt_path: the history and the best epoch belong to a run folder.
        fit = {"model", "train_dataloaders", "val_dataloaders", "datamodule", "ckpt_path", "weights_only"}
        others = {"model", "dataloaders", "datamodule", "verbose", "return_predictions"}
        return {"fit": fit} | dict.fromkeys(("validate", "test", "predict"), others)

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "fit":
            parser.add_argument("--name", type=str | None, help="The run folder's name. Default: the backbone's.")
            parser.add_argument("--runs_dir", type=str, default="runs", help="Where run folders are made.")
            parser.add_argument("--resume", type=str | None, help="A run folder to go on with, from its last epoch.")
        else:
            parser.add_argument("--run", type=str | None, help="A run folder, in place of --config and --ckpt_path.")
        if subcommand == "predict":
            parser.add_argument("--out", type=str | None, help="Where to write instead of the run folder.")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
        parser.link_arguments(
            "data", "model.num_classes", compute_fn=lambda data: len(data.classes), apply_on="instantiate"
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Lightning would let the checkpoint's hyper-parameters override the command line. Ours stand in config.yaml,
        which --run and --resume read first, so that what the user gives wins."""

    def before_instantiate_classes(self) -> None:
        config = self._settings
        self._weights = config.model.weights
        self._choose_checkpoint(config)
        self._asked = config.clone()
        config.trainer.accelerator = hardware.choose_accelerator(config.trainer.accelerator)
        config.trainer.precision = hardware.choose_precision(config.trainer.precision, config.trainer.accelerator)
        hardware.prepare_host(config.trainer.accelerator)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        self._check_data()
        self.history = History(None)
        self.collector = PredictionCollector()
        callbacks: list[Callback] = [hardware.ChannelsLast(), self.collector]
        config: dict[str, Any] = {**self._get(self.config_init, "trainer"), **kwargs}
        if config["limit_predict_batches"] is not None:
            raise UserError("--trainer.limit_predict_batches: predictions are of whole splits: leave it out")
        if config["enable_progress_bar"] is not False:
            callbacks.append(Progress())
        if self.subcommand == "fit" and not config["fast_dev_run"]:
            self.folder = self.folder or self._new_folder()
            self.history.path = self.folder.metrics
            self.checkpoints = checkpoints(self.folder, config["limit_val_batches"] != 0)
            callbacks += [LambdaCallback(on_train_start=self._start_record), self.history, *self.checkpoints]
            if config["logger"] in (None, True):
                config["logger"] = TensorBoardLogger(
                    self.folder.path, "tensorboard", version="", default_hp_metric=False
                )
        else:
            kept = [callback for callback in config["callbacks"] or [] if not isinstance(callback, Checkpoint)]
            config |= {"logger": False, "enable_checkpointing": False, "callbacks": kept}
        return self._instantiate_trainer(config, callbacks)

    def after_instantiate_classes(self) -> None:
        self.datamodule.check_batch_size(self.trainer.world_size)
        if isinstance(self.trainer.strategy.launcher, _MultiProcessingLauncher):
            raise UserError(
                f"--trainer.strategy={self._settings.trainer.strategy}: forked or spawned processes keep their "
                "history to themselves: use ddp, or on a TPU for now --trainer.devices=1"
            )
        _say("data", self.datamodule.describe())
        device, precision = hardware.describe(self.trainer.strategy.root_device), self.trainer.precision
        _say("hardware", f"{self.trainer.world_size} x {device}, precision {precision}")
        _say("model", self.model.describe())

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        except SystemExit as interrupt:  # how Lightning ends after Ctrl-C
            if subcommand != "fit":
                raise KeyboardInterrupt from interrupt
            self._summarize()
            raise KeyboardInterrupt(f"interrupted; {self._how_to_resume()}") from interrupt
        except OSError as error:
            if self.folder is None or error.errno not in _DISK_TROUBLE:
                raise
            hint = f"; {self._how_to_resume()}" if subcommand == "fit" else ""
            what = f"{self.folder.path}: cannot be written: {error.strerror}: make room there{hint}"
            raise UserError(what) from error
        except (RuntimeError, ValueError) as error:
            if "loading state_dict" not in str(error) and "loaded state dict" not in str(error):
                raise
            what = f"{self._checkpoint}: not a checkpoint of this model with these classes"
            raise UserError(f"{what}: keep to the run's own --model settings and data") from error
        finally:
            self._remove_if_nothing_was_trained()

    def before_fit(self) -> None:
        if self.folder is None or not self.trainer.is_global_zero:
            return
        if not self._settings.resume:
            self.folder.make()
        _say("run", f"{self.folder.path}")

    def after_fit(self) -> None:
        if self.folder is None:
            return
        self._summarize()
        # Of a run's processes only the first knows its folder; the checkpoint callbacks have told the others.
        kept = [checkpoint.best_model_path for checkpoint in self.checkpoints if checkpoint.best_model_path]
        if kept:
            self.trainer.predict(self.model, datamodule=self.datamodule, ckpt_path=kept[-1], return_predictions=False)
            self._write_predictions(self.folder)
        self._report(self.folder)

    def validate(self, **kwargs: Any) -> None:
        self._print_scores("val", self.trainer.validate(**kwargs, verbose=False)[0])

    def test(self, **kwargs: Any) -> None:
        self._print_scores("test", self.trainer.test(**kwargs, verbose=False)[0])

    def predict(self, **kwargs: Any) -> None:
        self.trainer.predict(**kwargs, return_predictions=False)
        out = self._settings.out
        folder = RunFolder(Path(out)) if out else self.folder
        assert folder is not None
        self._write_predictions(folder)

    @property
    def _settings(self) -> Namespace:
        return self.config[str(self.subcommand)]

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        return {**super()._prepare_subcommand_kwargs(subcommand), "ckpt_path": self._checkpoint}

    def _splits(self) -> tuple[str, ...]:
        """What this command reads: all of it is checked before anything is written."""
        stage = str(self.subcommand)
        if stage == "test" and self.datamodule.test_labels is None:
            raise UserError("test: the test split has no labels: give --data.test_labels=FILE.csv, or use predict")
        has_test = stage == "fit" and self.datamodule.source.has("test", self.datamodule.size)
        return (*self.datamodule.names_for(stage), *(("test",) if has_test else ()))

    def _check_data(self) -> None:
        names, splits = self._splits(), self.datamodule.splits
        self.datamodule.open(*names)
        sample = self.datamodule.source.sample_submission()
        if "test" in names and sample is not None and self.subcommand in ("fit", "predict"):
            submission.check_ids(splits["test"].ids.tolist(), sample)
        if self.folder is None or self._settings.get("out") or self.subcommand not in ("fit", "predict"):
            return
        known = self.folder.read_summary().get("data", {}).get("fingerprints", {})
        other = [name for name in names if known.get(name, splits[name].fingerprint) != splits[name].fingerprint]
        if other:
            mend = "give --out=FOLDER" if self.subcommand == "predict" else "start a new run"
            raise UserError(
                f"{splits[other[0]].folder}: not the {other[0]} split of the run {self.folder.path}: {mend}"
            )

    def _choose_checkpoint(self, config: Namespace) -> None:
        self._checkpoint = config.get("ckpt_path")
        if self.subcommand == "fit":
            if config.resume:
                if config.name or config.trainer.fast_dev_run:
                    raise UserError("--resume goes on in the run's own folder: leave out --name and fast_dev_run")
                self.folder = RunFolder.open(Path(config.resume), "--resume")
                self._checkpoint = str(self.folder.last_checkpoint())
        elif config.run:
            self.folder = RunFolder.open(Path(config.run))
            self._checkpoint = self._checkpoint or str(self.folder.checkpoint())
        elif not self._checkpoint:
            raise UserError(f"{self.subcommand}: give --run=runs/NAME (or --config and --ckpt_path)")
        elif self.subcommand == "predict" and not config.out:
            raise UserError("predict: give --out=FOLDER for the predictions of --ckpt_path (or --run=runs/NAME)")
        if self._checkpoint:
            if not Path(self._checkpoint).is_file():
                raise UserError(f"--ckpt_path={self._checkpoint}: no such file")
            if not zipfile.is_zipfile(self._checkpoint):
                raise UserError(f"{self._checkpoint}: not a checkpoint, or a damaged one")
            config.model.weights = "none"  # the checkpoint has them all

    def _new_folder(self) -> RunFolder:
        config = self._settings
        return RunFolder.new(Path(config.runs_dir), config.name or config.model.backbone)

    @rank_zero_only
    def _start_record(self, trainer: Trainer, model: LightningModule) -> None:
        """Write the settings once training starts: a resumed run's checkpoint has proved to fit them by then."""
        assert self.folder is not None
        write_text(self.folder.config, self._config_yaml())
        self._summarize()

    def _config_yaml(self) -> str:
        settings = yaml.safe_load(self._parser(self.subcommand).dump(self._asked, skip_validation=True))
        settings["model"]["weights"] = self._weights
        settings["data"]["size"] = self.datamodule.size
        if settings["data"].get("root") is not None:  # a run must find its data from any folder
            settings["data"]["root"] = str(self.datamodule.source.root.resolve())
        return yaml.safe_dump({k: v for k, v in settings.items() if k not in _OF_ONE_COMMAND}, sort_keys=False)

    def _remove_if_nothing_was_trained(self) -> None:
        """Leave no folder of a new run behind that failed before its first epoch ended."""
        if self.folder is not None and self.folder.made and not self.folder.metrics.exists():
            shutil.rmtree(self.folder.path, ignore_errors=True)
            with suppress(OSError):  # others' runs are in it
                self.folder.path.parent.rmdir()

    @rank_zero_only
    def _write_predictions(self, folder: RunFolder) -> None:
        sample = self.datamodule.source.sample_submission()
        for name, probabilities in zip(self.datamodule.names_for("predict"), self.collector.results, strict=True):
            split = self.datamodule.splits[name]
            labels = split.labels if (split.labels >= 0).all() else None
            predictions = Predictions(split.ids, probabilities, labels)
            predictions.save(folder.predictions(name))
            _say("predicted", str(folder.predictions(name)))
            if name == "test":
                for path in submission.write(folder.submission, predictions, sample):
                    _say("submission", str(path))

    @rank_zero_only
    def _summarize(self) -> None:
        if self.folder is not None and self.folder.path.is_dir():
            summary = summarize(self.trainer, self.model, self.history, self.datamodule.summary())
            self.folder.write_summary(summary | {"seed": self._settings.seed_everything})

    @rank_zero_only
    def _report(self, folder: RunFolder) -> None:
        best = self.history.best()
        if best is not None:
            scores = (
                f"macro F1 {best['val_macro_f1']:.4f} over {len(self.datamodule.classes)} classes, "
                f"{best['val_macro_f1_present']:.4f} over those present, accuracy {best['val_accuracy']:.4f}"
            )
            _say("best", f"epoch {best['epoch']:.0f}: val {scores}")
        _say("run", str(folder.path))

    @rank_zero_only
    def _print_scores(self, split: str, scores: Any) -> None:
        named = ", ".join(f"{name.removeprefix(f'{split}_')} {value:.4f}" for name, value in scores.items())
        _say(split, f"{len(self.datamodule.splits[split])} records: {named}")

    def _how_to_resume(self) -> str:
        if self.folder is None or not self.folder.last.is_file():
            return "no epoch was saved"
        return f"resume with: {PROGRAM} fit --resume {self.folder.path}"


def expand_run(args: list[str]) -> list[str]:
    """Put the config of `--run X` or `--resume X` before the other arguments, so that those override it."""
    for number, arg in reversed(list(enumerate(args[1:], start=1))):
        flag, _, value = arg.partition("=")
        if flag in ("--run", "--resume"):
            value = value or "".join(args[number + 1 : number + 2])
            if not value:
                raise UserError(f"{flag}: give a run folder, such as runs/densenet201")
            return [args[0], "--config", str(RunFolder.open(Path(value), flag).config), *args[1:]]
    return args


@rank_zero_only
def _say(what: str, text: str) -> None:
    tqdm.write(f"{what:<11}{text}")


def quiet_lightning() -> None:
    """Leave the announcements to us: what it says of devices and loggers stands in our own lines."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # True of every --run and --resume, and meant to be so.
    warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    warnings.filterwarnings("ignore", "The dirpath has changed from")
    # So it is in an epoch that --trainer.check_val_every_n_epoch leaves without validation.
    warnings.filterwarnings("ignore", r".*could not find the monitored key", category=UserWarning)
