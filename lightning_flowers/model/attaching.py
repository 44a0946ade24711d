"""What the settings of a model and its data ask of a Trainer, whoever made it: so they mean the same everywhere."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pytorch_lightning import Callback
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_info
from torch import nn

from lightning_flowers import hardware
from lightning_flowers.data.class_names import class_order
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError, as_given
from lightning_flowers.lightning_internals import syncs_batch_norm
from lightning_flowers.model.backbones import checkpoint_gradients
from lightning_flowers.model.ema import Ema
from lightning_flowers.model.features import choose_caches
from lightning_flowers.model.growth import check_growth
from lightning_flowers.model.idle import idle_settings
from lightning_flowers.model.layers import check_classes, reorder_classes
from lightning_flowers.model.micro_batches import MicroBatches
from lightning_flowers.model.weights_file import WeightsFile

if TYPE_CHECKING:
    from lightning_flowers.model.classifier import FlowerClassifier


def callbacks_for(trainer: Any, ema_decay: float) -> list[Callback]:
    """The moving average, where a Trainer that is going to fit has none yet."""
    there = any(isinstance(callback, Ema) for callback in trainer.callbacks)
    return [Ema(ema_decay)] if ema_decay and trainer.state.fn == TrainerFn.FITTING and not there else []


def attach(model: "FlowerClassifier", trainer: Any, stage: str) -> None:
    """Order the weights as the hardware likes it, hold the model against its data, and prepare both for a fit.

    Args:
        trainer: the splits of its data module are open.

    Raises:
        UserError: the data have other classes, or a setting cannot be had with this Trainer.
    """
    hardware.check_trainer(trainer)
    hardware.to_channels_last(model, trainer.strategy.root_device)
    data = trainer.datamodule
    _set_up_micro_batches(model, trainer, getattr(data, "micro_batch", None), stage)
    if isinstance(data, PetalsDataModule):
        if adopt_classes(model, data.classes):
            _say("weights", model.origin)
        if stage == "fit":
            _prepare_fit(model, data, trainer)
    elif stage == "fit" and (model.hparams["feature_views"] or model.loss.counts_classes):
        asked = next((name for name in ("feature_views", "class_balance") if model.hparams[name]), "loss")
        raise UserError(f"{asked}={model.hparams[asked]}: needs trainer.fit(model, datamodule=PetalsDataModule(...))")


def _prepare_fit(model: "FlowerClassifier", data: PetalsDataModule, trainer: Any) -> None:
    """Count the classes for the loss, and choose the caches, unless the command line has."""
    if model.loss.counts_classes:
        if data.balance:
            raise UserError(
                f"--data.balance={data.balance}: classes would be balanced twice: leave it, or --model.class_balance "
                "and --model.loss=logit_adjusted, out"
            )
        labels = data.splits["train"].labels
        model.loss.count(np.bincount(labels[labels >= 0], minlength=len(data.classes)).tolist())
    check_growth(model.first_size, data.size, trainer.max_epochs)
    if data.wrap is None:
        if idle := next(idle_settings(model.hparams, bool(data.augment), data.cache_mode), None):
            raise UserError(idle[1])
        choose_caches(model, data, trainer.num_devices, model.say or _say)


def _set_up_micro_batches(model: "FlowerClassifier", trainer: Any, size: int | None, stage: str) -> None:
    """Have batches taken in parts of that size, or as many as fit."""
    if stage != "fit":
        if size is not None:
            model.micro_batches = MicroBatches(size, say=model.say or _say)
        return
    _check_device(model, trainer, size)
    synced, sums = syncs_batch_norm(trainer), hardware.sums_gradients(trainer)
    searches = hardware.runs_out(trainer.strategy.root_device) and not synced
    model.gathers = sums and (size is not None or searches)
    auto = model.grad_checkpointing == "auto" and not model.frozen
    checkpointing = partial(checkpoint_gradients, model.backbone) if auto else None
    model.micro_batches = MicroBatches(size, checkpointing, model.say or _say, retries=not synced)


def _check_device(model: "FlowerClassifier", trainer: Any, size: int | None) -> None:
    if trainer.strategy.root_device.type == "xla":
        asked = {
            f"--data.micro_batch={size}": size is not None,
            "--model.grad_checkpointing=true": model.grad_checkpointing is True,
            "--model.compile=true": model.compiles,
        }
        if flag := next((flag for flag, given in asked.items() if given), None):
            raise UserError(
                f"{flag}: a TPU's step is one graph, compiled by XLA: leave it out; for less memory give a smaller "
                "--data.batch_size, with --trainer.accumulate_grad_batches for steps of as many pictures"
            )
    elif size is not None and not hardware.sums_gradients(trainer):
        raise UserError(f"--data.micro_batch={size}: needs --trainer.strategy=auto or ddp")


def _say(what: str, text: str) -> None:
    rank_zero_info(f"{what}: {as_given(text)}")


def adopt_classes(model: "FlowerClassifier", classes: Sequence[str]) -> bool:
    """Let the model know the data's classes, or check those that it was trained on.

    Of a run's checkpoint that its weights are from, it now takes the head too, if that is for the same classes.

    Returns:
        Whether there was such a checkpoint; `model.origin` tells what was taken.

    Raises:
        UserError: the data have other classes than the model.
    """
    if (count := model.hparams["num_classes"]) != len(classes):
        raise UserError(f"num_classes={count}: the data have {len(classes)} classes")
    if model.class_order is None:
        check_classes(model.class_names, classes)
    model.class_names = model.class_names or tuple(classes)
    file, model.weights_file = model.weights_file, None
    if file is not None and file.from_run:
        model.origin = _take_head(model.head, file, classes)
    return file is not None


def _take_head(head: nn.Module, file: WeightsFile, classes: Sequence[str]) -> str:
    """Give `head` the weights of a checkpoint's, if that has the same classes and layers.

    Args:
        head: of the model, for `classes` in this order.
        file: what the checkpoint holds.

    Returns:
        What was taken, in words.
    """
    backbone = f"backbone of {file.path}"
    if not file.classes or not file.head:
        return f"{backbone}, not its head, whose classes it does not name"
    try:
        order = class_order(file.classes, classes)
    except ValueError as error:
        return f"{backbone}, not its head, which is for other classes ({error})"
    named = reorder_classes({f"head.{name}": tensor for name, tensor in file.head.items()}, order)
    weights = {name.removeprefix("head."): tensor for name, tensor in named.items()}
    shapes = [{name: tensor.shape for name, tensor in each.items()} for each in (weights, head.state_dict())]
    if shapes[0] != shapes[1]:
        return f"{backbone}, not its head, which has other dense layers (--model.hidden)"
    head.load_state_dict(weights)
    moved = "" if order == list(range(len(order))) else " (classes in another order: mapped by name)"
    return f"backbone and head of {file.path}{moved}"
