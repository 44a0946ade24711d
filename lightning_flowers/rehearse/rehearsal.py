"""A run at a small size, on the way that a run on a TPU goes."""

import os
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningArgumentParser

from lightning_flowers import hardware
from lightning_flowers.cli import FlowersCLI
from lightning_flowers.commands import PROGRAM, TOOLS
from lightning_flowers.data.finding import find_source
from lightning_flowers.data.petals import DEFAULT_SIZE, competition_classes
from lightning_flowers.errors import UserError
from lightning_flowers.hardware.choice import tpu_cores
from lightning_flowers.rehearse.client import CORES, choose_client
from lightning_flowers.rehearse.footprint import Footprint, footprint
from lightning_flowers.rehearse.pictures import write_noise
from lightning_flowers.rehearse.watch import Watch

EPOCHS = 3  # so that what comes up only in later ones comes up
STEPS = 2  # of each epoch; the last one's batch is padded
SMALLEST = 32  # px
# Of the Trainer's settings, those that would have steps left out, or written elsewhere.
_WHOLE: dict[str, Any] = {
    **dict.fromkeys(("limit_train_batches", "limit_val_batches", "val_check_interval", "max_time", "logger")),
    **{"max_epochs": EPOCHS, "min_epochs": None, "max_steps": -1, "min_steps": None, "check_val_every_n_epoch": 1},
    **{"overfit_batches": 0.0, "fast_dev_run": False, "num_nodes": 1, "enable_progress_bar": False},
}


class Rehearsal(FlowersCLI):
    """Runs `fit` as the command line does, on noise and on torch_xla's CPU client.

    Args:
        args: of `fit`, and those of `rehearse`.
        folder: an empty one, for noise and what the run leaves.

    Attributes:
        asked: the settings as given.
        size: of the run's own pictures in pixels.
        footprint: of the run at its own size, on one core.
        watch: what it has seen.
    """

    def __init__(self, args: list[str], folder: Path) -> None:
        self._place = folder
        self.watch = Watch()
        super().__init__(["fit", *args])

    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        super()._add_subcommands(parser, **kwargs)
        fit = self._subcommand_parsers["fit"]
        fit.prog, fit.description = f"{PROGRAM} rehearse", TOOLS["rehearse"]

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        cores = f"Cores to rehearse on. Default: CPU_NUM_DEVICES of the environment, else {CORES}."
        parser.add_argument("--cores", type=int | None, help=cores)
        parser.add_argument("--size_px", type=int, default=32, help="Side of the pictures to rehearse with.")
        parser.add_argument("--chip_gb", type=float, default=16.0, help="Memory of one core of the TPU, in 1e9 bytes.")
        parser.add_argument("--json", type=str | None, help="A file to write the findings to.")
        return parser

    def before_instantiate_classes(self) -> None:
        config = self._settings
        self.asked = config.clone()
        _check(config)
        choose_client(config.cores)
        _check_batch(config)
        source = find_source(config.data.root) if config.data.root else None
        self.size = source.choose_size(config.data.size) if source else config.data.size or DEFAULT_SIZE
        classes = source.classes if source else competition_classes()
        self._shrink(config, classes)
        super().before_instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        trainer = super().instantiate_trainer(**kwargs)
        trainer.callbacks.append(self.watch)  # pyright: ignore[reportAttributeAccessIssue]
        self.watch.follow(trainer.strategy)
        return trainer

    def after_instantiate_classes(self) -> None:
        self.cores = hardware.device_count(self.trainer)
        self.footprint = self._footprint()
        super().after_instantiate_classes()

    def after_fit(self) -> None:
        if self.datamodule.rules.validates:
            super().after_fit()  # it predicts val

    def _footprint(self) -> Footprint:
        settings = {**self.asked.model.as_dict(), "num_classes": len(self.datamodule.classes)}
        return footprint(settings, self.size, self.asked.data.batch_size // self.cores, str(self.trainer.precision))

    def _shrink(self, config: Namespace, classes: tuple[str, ...]) -> None:
        """Have little of everything, but all of the run's ways."""
        batch = max(tpu_cores(), 2)  # one picture a core, but BatchNorm needs two
        steps = max(STEPS, int(config.trainer.accumulate_grad_batches) + 1)  # both with and without an update
        write_noise(self._place, classes, config.size_px, {"train": steps * batch - 1, "val": 2 * batch - 1})
        _set(config.data, root=str(self._place), size=config.size_px, batch_size=batch, cache="none")
        _set(config.data, extra_roots=[], folds=None, fold=None, test_labels=None)
        _set(config.trainer, **_WHOLE, accelerator="tpu", default_root_dir=str(self._place))
        _set(config, runs_dir=str(self._place), name="rehearsal", save_every_steps=2)
        config.model.weights = "none"


def _set(config: Namespace, **settings: Any) -> None:
    for name, value in settings.items():
        config[name] = value


def _check(config: Namespace) -> None:
    if config.resume:
        raise UserError("--resume: a rehearsal begins anew: give --config=RUN/config.yaml")
    if config.cores is not None and config.cores < 1:
        raise UserError(f"--cores={config.cores}: must be at least 1")
    if config.size_px < SMALLEST:
        raise UserError(f"--size_px={config.size_px}: must be at least {SMALLEST}")
    if not config.chip_gb > 0:
        raise UserError(f"--chip_gb={config.chip_gb}: must be above 0")
    if config.json is not None:
        _check_place(Path(config.json).expanduser())


def _check_place(file: Path) -> None:
    if file.is_dir():
        raise UserError(f"--json={file}: is a folder: give a file")
    if not os.access(file.parent, os.W_OK):  # known now, not after minutes of compiling
        raise UserError(f"--json={file}: cannot be written: choose another folder")


def _check_batch(config: Namespace) -> None:
    """As the run itself would, of the batch that is asked for."""
    batch, cores = config.data.batch_size, 1 if str(config.trainer.devices) == "1" else tpu_cores()
    if batch < 1:
        raise UserError(f"--data.batch_size={batch}: must be at least 1")
    if batch % cores:
        raise UserError(f"--data.batch_size={batch}: {cores} cores do not divide it: use a multiple of {cores}")
