"""A run's own command line, on made-up pictures and on torch_xla's CPU client in the place of a TPU."""

import importlib.util
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import simplejpeg
from jsonargparse import Namespace

from lightning_flowers.cli.commands import PROGRAM, TOOLS
from lightning_flowers.cli.lightning import FlowersCLI
from lightning_flowers.cli.parser import Parser
from lightning_flowers.cli.parser import make_parser as fit_parser
from lightning_flowers.compare.study import TRAIN_RECORDS, VAL_RECORDS
from lightning_flowers.data.conversion.opening import open_data
from lightning_flowers.data.run_splits import Splits
from lightning_flowers.data.sources.competition import DEFAULT_SIZE, Source, competition_classes
from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.data.tfrecord.writer import Record, write_shard
from lightning_flowers.environment import as_found
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.model.views import Tta
from lightning_flowers.rehearse.chips import find_chip
from lightning_flowers.rehearse.compiling import Compiler

STEPS = 2  # of each epoch; the last one's batch is padded
EPOCHS = 2  # so that graphs that come up anew in later ones are seen
HOURS = 9.0  # that a session may last, where none are given
# Of the Trainer's settings, those that would have steps left out, or written elsewhere.
_NO_LIMITS: dict[str, Any] = {
    **dict.fromkeys(("limit_train_batches", "limit_val_batches", "val_check_interval", "max_time", "logger")),
    **dict.fromkeys(("min_epochs", "min_steps")),
    **dict.fromkeys(("fast_dev_run", "enable_progress_bar"), False),
    "max_steps": -1,
    "check_val_every_n_epoch": 1,
    "overfit_batches": 0.0,
    "num_nodes": 1,
}
_Result = TypeVar("_Result")


class Rehearsal(FlowersCLI):
    """`fit` as the command line starts it, at its own size and batch, with few records.

    Args:
        args: of `fit`, and those of `rehearse`.
        folder: an empty one, for pictures and what the run leaves.

    Attributes:
        asked: the settings as given.
        size: of the run's own pictures in pixels.
        records: of the run's own train and val.
    """

    def __init__(self, args: list[str], folder: Path) -> None:
        self._folder = folder
        super().__init__(["fit", *args])

    def setup_parser(self, *_: Any, **__: Any) -> None:
        self.parser = make_parser()

    def before_instantiate_classes(self) -> None:
        config = self.config
        self.asked = config.clone()
        self.asked.hours = config.hours or HOURS
        self.cores = check(config)
        os.environ |= {"PJRT_DEVICE": "CPU", "CPU_NUM_DEVICES": str(self.cores)}
        data = config.data
        skips = data.on_bad_record == "skip"
        source = open_data(data.root, data.size, data.features, skips) if data.root else None
        self.size = source.choose_size(config.data.size) if source else config.data.size or DEFAULT_SIZE
        self.records = _records(config.data, source, self.size)
        self._shrink(config, source.classes if source else competition_classes())
        super().before_instantiate_classes()

    def _shrink(self, config: Namespace, classes: tuple[str, ...]) -> None:
        """Have little of everything, but all of the run's ways."""
        batch, folder = max(config.data.batch_size, 1), str(self._folder)  # of another the run itself says so
        steps = max(STEPS, int(config.trainer.accumulate_grad_batches) + 1)  # both with and without an update
        write_pictures(self._folder, classes, self.size, {"train": steps * batch - 1, "val": 2 * batch - 1})
        _set(config.data, root=folder, size=self.size, cache="none")
        _set(config.data, extra_roots=[], features=None, folds=None, fold=None, test_labels=None, pseudo_labels=None)
        _set(config.trainer, **_NO_LIMITS, max_epochs=EPOCHS, accelerator="tpu", default_root_dir=folder)
        _set(config, runs_dir=folder, name="rehearsal", save_every_steps=2, report=False, hours=None)
        _set(config.model, weights="none", head_epochs=0, first_size=None)


def make_parser() -> Parser:
    """The command line of `rehearse`: that of `fit`, and what a rehearsal takes beside it."""
    parser = fit_parser("fit")
    parser.prog, parser.description = f"{PROGRAM} rehearse", TOOLS["rehearse"]
    own = parser.add_argument_group("Rehearsal")
    own.add_argument("--chip", type=str, default="v5e-8", help="TPU of the run: v2-8, v3-8, v4-8, v5e-8, ...")
    own.add_argument("--tta", type=Tta, default="none", help="Views of each picture when it is predicted.")
    own.add_argument("--largest-batch", action="store_true", help="Look for the largest batch that fits.")
    own.add_argument("--compiler", type=str, default=sys.executable, help="A Python that has jax and libtpu.")
    own.add_argument("--json", type=str | None, help="A file to write the findings to.")
    return parser


def write_pictures(root: Path, classes: Sequence[str], size: int, counts: dict[str, int]) -> None:
    """Write splits of pictures of one colour each, and the classes' names.

    Args:
        classes: their names, in the order of their labels.
        size: of the pictures in pixels.
        counts: records of each split, by its name.
    """
    flat = [simplejpeg.encode_jpeg(np.full((size, size, 3), shade, np.uint8)) for shade in range(0, 256, 16)]
    for split, count in counts.items():
        records = (
            Record(flat[number % len(flat)], number % len(classes), f"{split}{number}") for number in range(count)
        )
        write_shard(root / f"tfrecords-jpeg-{size}x{size}" / split / str(ShardName(0, size, count)), records)
    write_text(root / "classes.txt", "".join(f"{name}\n" for name in classes))


def quietly(rehearse: Callable[[], _Result]) -> _Result:
    """Rehearse, without what a run prints: the report says what matters of it."""
    said = io.StringIO()
    try:
        with redirect_stdout(said), as_found():  # this process may be one that `main` has not begun
            warnings.simplefilter("ignore")
            return rehearse()
    except SystemExit:  # of --help and --print_config
        sys.stdout.write(said.getvalue())
        sys.stdout.flush()
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted") from None  # not how to go on with a run that is gone


def _set(config: Namespace, **settings: Any) -> None:
    for name, value in settings.items():
        config[name] = value


def _records(data: Namespace, source: Source | None, size: int) -> tuple[int, int]:
    """Of train and val; the competition's, where no data are named."""
    if source is None:
        return TRAIN_RECORDS, VAL_RECORDS
    splits = Splits(source, size, data.train_on, data.folds, data.fold)
    return len(splits.open("train")), len(splits.open("val")) if splits.has("val") else 0


def check(config: Namespace) -> int:
    """Fail where a rehearsal cannot be; gives the cores of the run.

    Raises:
        UserError: so it is; known now, not after minutes of tracing.
    """
    if importlib.util.find_spec("torch_xla") is None:
        raise UserError("rehearse: torch_xla is not installed: pip install -e '.[rehearse]' in the project's folder")
    if config.resume:
        raise UserError("--resume: a rehearsal begins anew: give --config=RUN/config.yaml")
    if config.json is not None:
        _check_json(Path(config.json).expanduser())
    chip = find_chip(config.chip)
    Compiler(chip, config.compiler)
    return 1 if str(config.trainer.devices) == "1" else chip.devices


def _check_json(file: Path) -> None:
    if file.is_dir():
        raise UserError(f"--json={file}: is a folder: give a file")
    if not os.access(file.parent, os.W_OK):
        raise UserError(f"--json={file}: cannot be written: choose another folder")
