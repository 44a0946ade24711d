"""The parsers of fit, validate, test and predict, and what their help tells."""

import os
from functools import partial
from typing import Any, Union

from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningArgumentParser

from lightning_flowers.cli.arguments import RUNS_DIR
from lightning_flowers.cli.commands import COMMANDS, PROGRAM
from lightning_flowers.cli.internals import ShortHelp, check_names, name_files, naming, retell, take_ints_first
from lightning_flowers.cli.parsing import nearest_flag, unknown_name
from lightning_flowers.cli.wording import HELP, in_short
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Decision
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.views import Tta
from lightning_flowers.secrets import redacted

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
_DATA_OF_FIT = (
    "data.augment", "data.balance", "data.train_on", "data.folds", "data.fold", "data.extra_roots",
    "data.pseudo_labels", "data.pseudo_threshold",
)  # fmt: skip


class Parser(LightningArgumentParser):
    """Turns every mistake on the command line into one line."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        # Of a command line it says "unrecognized arguments"; settings of a callback or logger have parsers of theirs.
        of_config = message.startswith(("Group", "Option")) and "trainer" in (self.groups or {})
        said = f"no setting {unknown_name(message)}" if of_config else in_short(message)
        raise UserError(f"{said}{nearest_flag(self, message)}{HELP}") from ex

    def parse_path(self, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Namespace:
        """Settings of a YAML."""
        with naming(path):
            settings = super().parse_path(path, *args, **kwargs)
            check_names(self, settings)
            return settings

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
    parser.add_argument("-c", "--config", action="config", help="A YAML of settings; flags after it win.")
    _add_run_arguments(parser, command)
    parser.add_lightning_class_args(PetalsDataModule, "data")
    parser.add_lightning_class_args(FlowerClassifier, "model")
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
    parser.link_arguments("data", "model.num_classes", compute_fn=_count_classes, apply_on="instantiate")
    take_ints_first(parser)
    name_files(parser)
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
    drawn = "Seed of the head, the order and the augmentation; true draws one."
    if command == "fit":
        run.add_argument("--name", type=str | None, help="Run folder's name. Default: the backbone's.")
        run.add_argument("--runs_dir", type=str, default=RUNS_DIR, help="Where run folders are made.")
        run.add_argument("--resume", type=str | None, help="A run folder, to go on where it was cut off.")
        budget = "What a run may take: it has as many epochs as fit, max_epochs at most."
        run.add_argument("--hours", type=float | None, help=budget)
    else:
        run.add_argument("--run", type=str | None, help="A run folder, in place of --config and --ckpt_path.")
        run.add_argument("--ckpt_path", type=str | None, help="A checkpoint. Default: the run's best.")
    run.add_argument("--seed_everything", metavar="SEED", type=Union[bool, int], default=0, help=drawn)  # noqa: UP007
    if command == "predict":
        run.add_argument("--out", type=str | None, help="Where to write instead of the run folder.")
        seen = "Average over views of each picture: flips (2), dihedral (8)."
        run.add_argument("--tta", type=Tta, default="none", help=seen)
        decided = "How the submission's labels are chosen: adjusted is fitted on val for macro F1."
        run.add_argument("--decision", type=Decision, default="argmax", help=decided)
    if command == "fit":
        often = "{} between saves within an epoch; null for never."
        predicts = "Predict val and test."
        run.add_argument("--predict", type=bool, default=True, help=predicts)
        run.add_argument(
            "--save_every_minutes", metavar="MINUTES", type=float | None, default=10, help=often.format("Minutes")
        )
        run.add_argument("--save_every_steps", metavar="STEPS", type=int | None, help=often.format("Batches"))
        kept = "Best epochs that are kept, for soup."
        run.add_argument("--save_top_k", metavar="K", type=int, default=1, help=kept)
    if command in ("fit", "predict"):
        page = "Make the page of the run."
        run.add_argument("--report", type=bool, default=True, help=page)
