"""Lightning's range test of learning rates, on the model, data and hardware of a `fit`; and the picture of it."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from pytorch_lightning import Callback
from pytorch_lightning.tuner.tuning import Tuner
from typing_extensions import override

from lightning_flowers import hardware
from lightning_flowers.cli.lightning import FlowersCLI
from lightning_flowers.environment import shows_bars
from lightning_flowers.errors import UserError
from lightning_flowers.lightning_internals import lr_find_bar
from lightning_flowers.model.features import choose_caches
from lightning_flowers.report.style import BLUE, ORANGE, dress, head, new_figure, save, to_png
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say

MIN_LR, MAX_LR = 1e-7, 1.0
_NEVER = 10**9  # epochs
_KEPT = 0.98  # of the running mean, at each loss
_FIRST = 10  # rates whose losses are the mean of too few to tell


class Found(NamedTuple):
    """What a test has found: the rate of each step, the smoothed loss after it, and where that fell fastest."""

    rates: list[float]
    losses: list[float]
    suggestion: float | None


class Finder(FlowersCLI):
    """A `fit` whose rate grows from 1e-7 to 1, on the train split alone, and of which nothing is kept.

    Args:
        steps: of the test; it ends before, once the loss is four times what it was at best.

    Attributes:
        found: the outcome.

    Raises:
        UserError: a mistake in the arguments, or a TPU.
    """

    found: Found

    def __init__(self, args: Sequence[str], steps: int) -> None:
        self._steps = steps
        with TemporaryDirectory(prefix="lightning_flowers_lr_") as self._place:
            super().__init__(["fit", *args])

    @override
    def before_instantiate_classes(self) -> None:
        trainer, model = self.config.trainer, self.config.model
        if hardware.choose_accelerator(trainer.accelerator) == "tpu":
            raise UserError(
                "lr_find: reads the loss back at each step, which a TPU waits for: give --trainer.accelerator=cpu"
            )
        super().before_instantiate_classes()
        trainer.max_epochs, trainer.max_steps, trainer.min_epochs = -1, self._steps, None
        trainer.check_val_every_n_epoch, trainer.num_sanity_val_steps, trainer.val_check_interval = _NEVER, 0, 1.0
        trainer.default_root_dir, trainer.logger, trainer.enable_checkpointing = self._place, False, False
        trainer.max_time, trainer.fast_dev_run, trainer.callbacks = None, False, None
        if model.head_epochs or model.layer_decay != 1:
            say("one rate", "for all layers: the config's head_epochs and layer_decay are left out of the test")
        model.schedule, model.ema_decay, model.head_epochs, model.layer_decay = "cosine", 0.0, 0, 1.0
        model.first_size = None

    @override
    def _new_folder(self) -> RunFolder:
        return RunFolder(Path(self._place) / "run")  # never made

    @override
    def _recorders(self, folder: RunFolder) -> list[Callback]:
        return []

    @override
    def fit(self) -> None:
        choose_caches(self.model, self.datamodule, self.trainer.num_devices, say)
        with lr_find_bar(shows_bars(sys.stderr)):
            found: Any = Tuner(self.trainer).lr_find(
                self.model, datamodule=self.datamodule, min_lr=MIN_LR, max_lr=MAX_LR, num_training=self._steps
            )
        losses = smoothed(found.results["loss"])
        rates = found.results["lr"][: len(losses)]
        self.found = Found(rates, losses, steepest(rates, losses))


def smoothed(losses: Sequence[float]) -> list[float]:
    """Lightning's running mean of losses, as it is meant to be: it divides by the weight of one loss more than there
    are, so that the first is half of what it was."""
    return [loss * (1 - _KEPT ** (step + 1)) / (1 - _KEPT**step) for step, loss in enumerate(losses, start=1)]


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate at which the loss falls fastest on the picture's log scale; None where fewer than two are numbers.

    Lightning's own suggestion is by the slope over the rate itself, which is steepest where rates are smallest.

    Args:
        rates: each so many times the one before.
        losses: after a step of each.
    """
    known = [pair for pair in zip(rates, losses, strict=True) if math.isfinite(pair[1])][_FIRST:]
    if len(known) < 2:
        return None
    slopes = np.gradient([loss for _, loss in known])
    return known[int(slopes.argmin())][0]


def draw(path: Path, found: Found) -> None:
    """Draw the loss against the rate, with the suggestion, and write it as PNG."""
    picture = new_figure(6.5, 4)
    axes = picture.subplots()
    axes.plot(found.rates, found.losses, color=BLUE)
    if found.suggestion is not None:
        axes.axvline(found.suggestion, color=ORANGE)
        head(axes, "Learning rates", f"{found.suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss of training, smoothed")
    dress(axes)
    save(to_png(picture), path)
