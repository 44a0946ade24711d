"""The command line: Lightning's fit, validate, test and predict over our data, models and run folders."""

import errno
import logging
import warnings
import zipfile
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from tqdm import tqdm

from lightning_flowers import hardware
from lightning_flowers.commands import COMMANDS, PROGRAM
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run import submission
from lightning_flowers.run.checkpoints import checkpoints
from lightning_flowers.run.folder import RunFolder, write_text
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
        loaders = {"model", "dataloaders", "datamodule", "verbose", "return_predictions"}
        return {"fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule"}} | dict.fromkeys(
            ("validate", "test", "predict"), loaders
        )

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "fit":
            parser.add_argument("--name", type=str | None, help="The run folder's name. Default: the backbone's.")
            parser.add_argument("--runs_dir", type=str, default="runs", help="Where run folders are made.")
            parser.add_argument("--resume", type=str | None, help="A run folder to go on with, from its last epoch.")
        else:
            parser.add_argument("--run", type=str | None, help="A run folder, in place of --config and --ckpt_path.")
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
        self._config_yaml = self._dump(config)
        self._choose_checkpoint(config)
        config.data.seed = int(config.seed_everything)
        config.trainer.accelerator = hardware.choose_accelerator(config.trainer.accelerator)
        config.trainer.precision = hardware.choose_precision(config.trainer.precision, config.trainer.accelerator)
        hardware.prepare_host(config.trainer.accelerator)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        self.datamodule.open(*self._splits())
        self._keep_predictions_of_other_data_out()
        self.history = History(None)
        self.collector = PredictionCollector()
        callbacks: list[Callback] = [hardware.ChannelsLast(), self.collector]
        config: dict[str, Any] = {**self._get(self.config_init, "trainer"), **kwargs}
        if config["enable_progress_bar"] is not False:
            callbacks.append(Progress())
        if self.subcommand == "fit" and not config["fast_dev_run"]:
            self.folder = self.folder or self._new_folder()
            self.history.path = self.folder.metrics
            self.checkpoints = checkpoints(self.folder, config["limit_val_batches"] != 0)
            callbacks += [self.history, *self.checkpoints]
            if config["logger"] in (None, True):
                config["logger"] = TensorBoardLogger(
                    self.folder.path, "tensorboard", version="", default_hp_metric=False
                )
        else:
            config |= {"logger": False, "enable_checkpointing": False}
        return self._instantiate_trainer(config, callbacks)

    def after_instantiate_classes(self) -> None:
        self.datamodule.check_batch_size(self.trainer.world_size)
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
            raise KeyboardInterrupt(self._how_to_resume()) from interrupt
        except OSError as error:
            if self.folder is None or error.errno not in _DISK_TROUBLE:
                raise
            hint = f"; {self._how_to_resume()}" if subcommand == "fit" else ""
            raise UserError(
                f"{self.folder.path}: cannot be written: {error.strerror}: make room there{hint}"
            ) from error
        except (RuntimeError, ValueError) as error:
            if "loading state_dict" not in str(error) and "loaded state dict" not in str(error):
                raise
            what = f"{self._settings.ckpt_path}: not a checkpoint of this model with these classes"
            raise UserError(f"{what}: keep to the run's own --model settings and data") from error

    def before_fit(self) -> None:
        if self.folder is None or not self.trainer.is_global_zero:
            return
        if not self.folder.path.exists():
            self.folder.make()
        write_text(self.folder.config, self._config_yaml)
        _say("run", f"{self.folder.path}")

    def after_fit(self) -> None:
        if self.folder is None:
            return
        self._summarize()
        if self.history.best() is not None:
            # Of a run's processes only the first knows its folder; the checkpoint callback has told the others.
            self.trainer.predict(self.model, datamodule=self.datamodule, ckpt_path=self.checkpoints[0].best_model_path)
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

    def _splits(self) -> tuple[str, ...]:
        """What this command reads: all of it is checked before anything is written."""
        stage = str(self.subcommand)
        if stage == "test" and self.datamodule.test_labels is None:
            raise UserError("test: the test split has no labels: give --data.test_labels=FILE.csv, or use predict")
        has_test = stage == "fit" and self.datamodule.source.has("test", self.datamodule.size)
        return (*self.datamodule.names_for(stage), *(("test",) if has_test else ()))

    def _keep_predictions_of_other_data_out(self) -> None:
        if self.subcommand != "predict" or self._settings.out or self.folder is None:
            return
        known = self.folder.read_summary().get("data", {}).get("fingerprints", {})
        for name in self.datamodule.names_for("predict"):
            split = self.datamodule.splits[name]
            if known.get(name, split.fingerprint) != split.fingerprint:
                raise UserError(f"predict: {split.folder} is not the {name} split of that run: give --out=FOLDER")

    def _choose_checkpoint(self, config: Namespace) -> None:
        if self.subcommand == "fit":
            if config.resume:
                self.folder = RunFolder.open(Path(config.resume))
                config.ckpt_path = config.ckpt_path or str(self.folder.last_checkpoint())
        elif config.run:
            self.folder = RunFolder.open(Path(config.run))
            config.ckpt_path = config.ckpt_path or str(self.folder.checkpoint())
        elif not config.ckpt_path:
            raise UserError(f"{self.subcommand}: give --run=runs/NAME (or --config and --ckpt_path)")
        elif self.subcommand == "predict" and not config.out:
            raise UserError("predict: give --out=FOLDER for the predictions of --ckpt_path (or --run=runs/NAME)")
        if config.ckpt_path:
            if not Path(config.ckpt_path).is_file():
                raise UserError(f"--ckpt_path={config.ckpt_path}: no such file")
            if not zipfile.is_zipfile(config.ckpt_path):
                raise UserError(f"{config.ckpt_path}: not a checkpoint, or a damaged one")
            config.model.weights = "none"  # the checkpoint has them all

    def _new_folder(self) -> RunFolder:
        config = self._settings
        return RunFolder.new(Path(config.runs_dir), config.name or config.model.backbone)

    def _dump(self, config: Namespace) -> str:
        settings = yaml.safe_load(self._parser(self.subcommand).dump(config, skip_validation=True))
        return yaml.safe_dump({k: v for k, v in settings.items() if k not in _OF_ONE_COMMAND}, sort_keys=False)

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
            return "interrupted before the first epoch was saved"
        epoch = len(self.history.rows)
        return f"interrupted after epoch {epoch}; resume with: {PROGRAM} fit --resume {self.folder.path}"


def expand_run(args: list[str]) -> list[str]:
    """Put the config of `--run X` or `--resume X` before the other arguments, so that those override it."""
    for number, arg in enumerate(args[1:], start=1):
        flag, _, value = arg.partition("=")
        if flag in ("--run", "--resume"):
            value = value or (args[number + 1] if number + 1 < len(args) else "")
            return [args[0], "--config", str(RunFolder.open(Path(value)).config), *args[1:]]
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
