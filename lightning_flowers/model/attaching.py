"""What the settings of a model and its data ask of a Trainer, whoever made it: so they mean the same everywhere."""

from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_info

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError, as_given
from lightning_flowers.model.ema import Ema
from lightning_flowers.model.features import choose_caches
from lightning_flowers.model.layers import check_classes


def callbacks_for(trainer: Any, ema_decay: float) -> list[Callback]:
    """The moving average, where a Trainer that is going to fit has none yet."""
    there = any(isinstance(callback, Ema) for callback in trainer.callbacks)
    return [Ema(ema_decay)] if ema_decay and trainer.state.fn == TrainerFn.FITTING and not there else []


def attach(model: Any, trainer: Any, stage: str) -> None:
    """Order the weights as the hardware likes it, and choose the caches, unless the command line has.

    Args:
        model: a FlowerClassifier.
        trainer: that it is given to; the splits of its data module are open.
        stage: fit, validate, test or predict.

    Raises:
        UserError: the data have other classes, or a setting cannot be had with this Trainer.
    """
    hardware.check_strategy(trainer)
    hardware.to_channels_last(model, trainer.strategy.root_device)
    data = trainer.datamodule
    if isinstance(data, PetalsDataModule):
        _meet(model, data)
        if stage == "fit" and data.wrap is None:
            choose_caches(model, data, trainer.num_devices, _say)
    elif stage == "fit" and model.feature_views:
        raise UserError(
            f"feature_views={model.feature_views}: needs trainer.fit(model, datamodule=PetalsDataModule(...))"
        )


def _say(what: str, text: str) -> None:
    rank_zero_info(f"{what}: {as_given(text)}")


def _meet(model: Any, data: PetalsDataModule) -> None:
    """Let the model know the data's classes, or check those that it was trained on."""
    if (classes := model.hparams["num_classes"]) != len(data.classes):
        raise UserError(f"num_classes={classes}: the data have {len(data.classes)} classes")
    if model.class_order is None:
        check_classes(model.class_names, data.classes)
    model.class_names = model.class_names or data.classes
