"""What the command line's arguments mean before anything is built."""

import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Union

import yaml
from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningArgumentParser

from lightning_flowers.cli.commands import COMMANDS, PROGRAM
from lightning_flowers.cli.internals import ShortHelp, retell, take_ints_first
from lightning_flowers.cli.parsing import nearest_flag
from lightning_flowers.cli.wording import HELP, in_short
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Decision
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.views import Tta
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import read_run
from lightning_flowers.secrets import MEND, is_missing, redacted

# What config.yaml of a run leaves out: it belongs to one command, not to the run.
_OF_ONE_COMMAND = (
    "config", "name", "runs_dir", "seeds", "resume", "ckpt_path", "weights_only", "report",
    "save_every_minutes", "save_every_steps",
)  # fmt: skip
_OF_A_RUN = ("data", "model", "trainer")
TRAINER_DEFAULTS = {"max_epochs": 6, "log_every_n_steps": 1, "enable_model_summary": False}
# What the short help tells of the Trainer's flags.
_TRAINER = {
    "accelerator": "auto (TPU, then CUDA, then CPU), tpu, cuda or cpu",
    "devices": "how many, or which: 2, [0,3]; auto takes all",
    "precision": "32-true, bf16-mixed or 16-mixed. Default: what the hardware is quickest at.",
}
_TRAINER_OF_FIT = {
    "max_epochs": "after how many epochs training ends; -1 for no end",
    "max_time": "after what time it ends, as DD:HH:MM:SS. Default: none.",
    "accumulate_grad_batches": "batches that make one step of the optimizer",
    "gradient_clip_val": "the largest norm of the gradients. Default: any.",
    "check_val_every_n_epoch": "epochs between two validations",
    "callbacks": "of Lightning's by the class's name, others as package.module.Class",
    "logger": "one of Lightning's by name; false for none. Default: TensorBoard, in the run folder.",
    "deterministic": "true or warn: the same sums on the same hardware",
    "fast_dev_run": "true or a number: so many batches of each split, and no run folder",
}
_DATA_OF_FIT = ("data.augment", "data.train_on", "data.folds", "data.fold", "data.extra_roots")


class Parser(LightningArgumentParser):
    """Turns every mistake on the command line into one line."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise UserError(f"{in_short(message)}{nearest_flag(self, message)}{HELP}") from ex

    def dump(self, cfg: Namespace, **kwargs: Any) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """YAML of the settings, without secrets: config.yaml, --print_config and what loggers get."""
        return super().dump(redacted(cfg), **kwargs)


def make_parser(command: str) -> Parser:
    """The command line of fit, validate, test or predict: what is of the command first, what is of the Trainer last."""
    parser = Parser(
        prog=f"{PROGRAM} {command}",
        usage="%(prog)s [--FLAG=VALUE ...]",
        description=COMMANDS[command],
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config", action="config", help="A YAML of settings; flags after it override it.")
    _add_run_arguments(parser, command)
    parser.add_lightning_class_args(PetalsDataModule, "data")
    parser.add_lightning_class_args(FlowerClassifier, "model")
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
    parser.link_arguments("data", "model.num_classes", compute_fn=_count_classes, apply_on="instantiate")
    take_ints_first(parser)
    return parser


def _count_classes(data: PetalsDataModule) -> int:
    return len(data.classes)


def shorten_help(parser: Parser, command: str) -> None:
    """Have the help say what the command is usually given, in few words. All else is accepted as before."""
    parser.formatter_class = ShortHelp
    parser.epilog = "--help=all shows every flag, with types; --print_config all settings as YAML."
    parser.groups["trainer"].title = "Lightning's Trainer, the most used of its flags"  # pyright: ignore[reportOptionalSubscript]
    retell(parser, partial(_told, command))


def _told(command: str, name: str) -> str | None:
    """What the short help says of a setting: "" for what is said of it anyway, None for nothing."""
    group, _, setting = name.partition(".")
    fits = command == "fit"
    if group == "trainer":
        return (_TRAINER | _TRAINER_OF_FIT if fits else _TRAINER).get(setting)
    if name in ("data", "model", "data.seed", "model.num_classes", "print_config"):
        return None
    if name == "data.test_labels":
        return "" if command == "test" else None
    return None if not fits and (group in ("model", "seed_everything") or name in _DATA_OF_FIT) else ""


def _add_run_arguments(parser: Parser, command: str) -> None:
    """What a command takes beside settings of data, model and trainer."""
    run = parser.add_argument_group("Run")
    drawn = "Seed of the head's first weights, the order and the augmentation; true draws one."
    if command == "fit":
        run.add_argument("--name", type=str | None, help="The run folder's name. Default: the backbone's.")
        run.add_argument("--runs_dir", type=str, default="runs", help="Where run folders are made.")
        run.add_argument("--resume", type=str | None, help="A run folder to go on with, where it was cut off.")
        run.add_argument("--seeds", type=str | None, help="Several runs, one for each seed: 0,1,2.")
    else:
        run.add_argument("--run", type=str | None, help="A run folder, in place of --config and --ckpt_path.")
        run.add_argument("--ckpt_path", type=str | None, help="A checkpoint. Default: the run's best.")
    run.add_argument("--seed_everything", metavar="SEED", type=Union[bool, int], default=0, help=drawn)  # noqa: UP007
    if command == "predict":
        run.add_argument("--out", type=str | None, help="Where to write instead of the run folder.")
        seen = "Average over views of each picture: flips (2), dihedral (8), multi-scale (3)."
        run.add_argument("--tta", type=Tta, default="none", help=seen)
        decided = "How the submission's labels are chosen: adjusted is fitted on val for macro F1."
        run.add_argument("--decision", type=Decision, default="argmax", help=decided)
    if command == "fit":
        often = "How often last.ckpt is saved within an epoch, in {}; null for never."
        run.add_argument(
            "--save_every_minutes", metavar="MINUTES", type=float | None, default=10, help=often.format("minutes")
        )
        run.add_argument("--save_every_steps", metavar="STEPS", type=int | None, help=often.format("batches"))
    if command in ("fit", "predict"):
        page = "Whether to make the page of the run at the end, as the command report does."
        run.add_argument("--report", type=bool, default=True, help=page)


def expand_run(args: list[str]) -> list[str]:
    """Put the config of `--run X` or `--resume X` before the other arguments, so that those override it.

    Raises:
        UserError: no such folder, more than one, or a config that holds no settings.
    """
    for _, path in _given(args, "--config", "-c"):
        _check_config(Path(path))
    runs = _given(args, "--run", "--resume")
    if not runs:
        return args
    flag, value = runs[-1]
    if not value:
        raise UserError(f"{flag}: give a run folder, such as runs/densenet201")
    if len(runs) > 1:
        raise UserError(f"{flag}={value}: give one run folder, not {len(runs)}")
    folder = RunFolder.open(Path(value), flag)
    _check_run(folder)
    return [args[0], "--config", str(folder.config), *args[1:]]


def choose_checkpoint(command: str, config: Namespace) -> tuple[RunFolder | None, str | None]:
    """The run folder and the checkpoint that a command is to start from; none of either for a new fit.

    Raises:
        UserError: there is none where one is needed, or it is no checkpoint; a secret was left out.
    """
    _check_secrets(command, config)
    folder, checkpoint = None, config.get("ckpt_path")
    if command == "fit":
        if config.resume:
            if config.name or config.trainer.fast_dev_run:
                raise UserError("--resume goes on in the run's own folder: leave out --name and fast_dev_run")
            folder = RunFolder.open(Path(config.resume), "--resume")
            checkpoint = str(folder.last_checkpoint())
    elif config.run:
        folder = RunFolder.open(Path(config.run))
        checkpoint = checkpoint or str(folder.checkpoint())
    elif not checkpoint:
        raise UserError(f"{command}: give --run=runs/NAME (or --config and --ckpt_path)")
    elif command == "predict" and not config.out:
        raise UserError("predict: give --out=FOLDER for the predictions of --ckpt_path (or --run=runs/NAME)")
    if checkpoint:
        _check_file(checkpoint)
    return folder, checkpoint


def run_config(settings: dict[str, Any], data: PetalsDataModule) -> str:
    """config.yaml of a run, from which it can be repeated, resumed and used from any folder; secrets are left out.

    Args:
        settings: as asked for.
        data: the data that was found by them.
    """
    settings = _of_text(settings)
    settings["data"]["size"] = data.size
    if settings["data"].get("root") is not None:
        settings["data"]["root"] = data.source.where
    settings["data"]["augment"] = data.augment.content
    settings["data"]["extra_roots"] = [other.where for other in data.splits.extra]
    return yaml.safe_dump(redacted({k: v for k, v in settings.items() if k not in _OF_ONE_COMMAND}), sort_keys=False)


def quiet_lightning() -> None:
    """Pass over warnings of what is meant to be so."""
    # True of every --run and --resume, and meant to be so.
    warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    warnings.filterwarnings("ignore", "The dirpath has changed from")
    # Our loaders do not shuffle then.
    warnings.filterwarnings("ignore", "You requested to overfit but enabled")
    # A frozen backbone is to be so.
    warnings.filterwarnings("ignore", r"Found \d+ module\(s\) in eval mode")
    # So it is in an epoch that --trainer.check_val_every_n_epoch leaves without validation.
    warnings.filterwarnings("ignore", r".*could not find the monitored key", category=UserWarning)


def _given(args: list[str], *flags: str) -> list[tuple[str, str]]:
    """What some flags are given, each as `--flag=value` or `--flag value`."""
    parts = [(arg.partition("="), after) for arg, after in zip(args, [*args[1:], ""], strict=True)]
    return [(flag, value if equals else after) for (flag, equals, value), after in parts if flag in flags]


def _check_config(path: Path) -> None:
    """Fail where a file holds no settings; of one that is not there the parser says so."""
    if not path.is_file():
        return
    try:
        settings = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise UserError(f"{path}: holds no settings (data:, model:, trainer:): give a config that fit left")


def _check_run(folder: RunFolder) -> None:
    """Fail where a file of the run is damaged, also in what a command would need later or take a default for."""
    missing = [part for part in _OF_A_RUN if not isinstance(folder.read_config().get(part), dict)]
    if missing:
        raise UserError(f"{folder.config}: damaged (no settings of {', '.join(missing)}): restore it from a copy")
    if folder.summary.is_file():
        read_run(folder.path)


def _check_secrets(command: str, config: Namespace) -> None:
    """Fail where the run's config left out a secret that the command line does not give."""
    for flag, value in config.items():
        unused = command != "fit" and flag.startswith("trainer.logger")
        if isinstance(value, str | list | dict) and is_missing(value) and not unused:
            raise UserError(f"--{flag}={value}: {MEND}")


def _check_file(checkpoint: str) -> None:
    if not Path(checkpoint).is_file():
        raise UserError(f"--ckpt_path={checkpoint}: no such file")
    if not zipfile.is_zipfile(checkpoint):
        raise UserError(f"{checkpoint}: not a checkpoint, or a damaged one")


def _of_text(settings: Any) -> Any:
    """Settings without those that YAML cannot hold, which jsonargparse puts into words: defaults of callbacks, such as
    a torch.device, are taken anew."""
    if isinstance(settings, list):
        return [_of_text(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    kept = {
        name: value for name, value in settings.items() if not str(value).startswith("Unable to serialize instance")
    }
    return {name: _of_text(value) for name, value in kept.items()}
