"""Callbacks of Lightning's that a run cannot have, known before it begins."""

from collections.abc import Sequence

from pytorch_lightning import Callback
from pytorch_lightning.callbacks import (
    BackboneFinetuning,
    Checkpoint,
    EarlyStopping,
    ModelPruning,
    SpikeDetection,
    StochasticWeightAveraging,
    WeightAveraging,
)

from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.confusion import Scores

_AVERAGE = "leave it out, and give --model.ema_decay=0.999 for an average of the weights"

_REFUSED = {
    ModelPruning: "keeps its masks in no checkpoint: leave it out",
    SpikeDetection: "cannot be saved in a checkpoint: leave it out",
    BackboneFinetuning: "hands the optimizer layers that neither the schedule nor --resume knows: leave it out, and "
    "give --model.freeze_backbone=true or a lower --model.lr",
    StochasticWeightAveraging: f"puts its average in place after the last validation and checkpoint: {_AVERAGE}",
    WeightAveraging: f"averages the counts that scores are made of as well, and all become nan: {_AVERAGE}",
}
_KNOWN = ("pytorch_lightning", "lightning_flowers")


def check_callbacks(callbacks: Sequence[Callback], validates: bool) -> None:
    """Refuse those that fail within a run, and those that watch a metric that nothing logs.

    Raises:
        UserError: there is one.
    """
    for callback in callbacks:
        why = next((why for kind, why in _REFUSED.items() if isinstance(callback, kind)), None)
        if why:
            raise UserError(f"--trainer.callbacks: {type(callback).__name__} {why}")
    if all(type(callback).__module__.split(".")[0] in _KNOWN for callback in callbacks):  # others may log more
        for callback in callbacks:
            _check_monitor(callback, validates)


def _check_monitor(callback: Callback, validates: bool) -> None:
    if not isinstance(callback, EarlyStopping | Checkpoint):
        return
    splits = ("train", "val") if validates else ("train",)
    logged = [f"{split}_{name}" for split in splits for name in ("loss", *Scores._fields)]
    monitor, own = getattr(callback, "monitor", None), ("epoch", "step") if isinstance(callback, Checkpoint) else ()
    if monitor is not None and monitor not in (*logged, *own):
        name = type(callback).__name__
        raise UserError(f"--trainer.callbacks: {name}'s monitor={monitor}: use one of {', '.join(logged)}")
