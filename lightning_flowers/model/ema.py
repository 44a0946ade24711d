"""The exponential moving average of the weights: what a run validates and saves, while it trains the raw ones.

Lightning's own WeightAveraging updates after the step has been sent to the cores of a TPU; torch's AveragedModel, which
it is built on, reads its count of updates back from the device at each step, averages counts along with weights, and
copies the whole LightningModule.
"""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from lightning_flowers import hardware


class Ema(Callback):
    """Averages what training changes: trained parameters, and statistics of BatchNorm that is in training mode.

    The average is updated inside the optimizer's step: once per step, not per batch or skipped step, and on XLA in the
    step's own graph. Nothing is read back from the device. Validation, `state_dict` of a checkpoint and the model once
    it is trained have the averaged weights; the raw ones, needed to go on, are in the callback's state. (A checkpoint
    of weights only, which Lightning saves without asking callbacks, has the raw ones.) A run resumed from a checkpoint
    without an average begins one with its weights.

    Args:
        decay: in 0..1, weight of the average in an update once it has seen enough steps (see `decay_at`).
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._hooks: list[RemovableHandle] = []
        self._forget()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._forget()  # whatever a run that failed has left

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with the model's weights. From a checkpoint these are the averaged ones: the raw ones follow them."""
        self._live = averaged(pl_module)
        self._shadow = {name: live.detach().clone() for name, live in self._live.items()}
        with torch.no_grad():
            for name, live in self._live.items():
                live.copy_(self._loaded.get(name, live))
        self._loaded = {}
        self._replicate(trainer)
        self._hooks = [optimizer.register_step_post_hook(self._update) for optimizer in trainer.optimizers]

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._exchange(trainer, True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._exchange(trainer, False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._exchange(trainer, True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._exchange(trainer, False)
        self._unhook()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._forget()

    def state_dict(self) -> dict[str, Any]:
        raw = self._shadow if self._exchanged else self._live
        return {"steps": self._steps, "raw": {name: tensor.detach() for name, tensor in raw.items()}} if raw else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._steps, self._loaded = state_dict["steps"], state_dict["raw"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        average = self._live if self._exchanged else self._shadow
        checkpoint["state_dict"].update({name: tensor.detach() for name, tensor in average.items()})

    @torch.no_grad()
    def _update(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        shadow, live = list(self._shadow.values()), list(self._live.values())
        weight = hardware.scalar(1 - decay_at(self._steps, self._decay), live[0].device)
        steps = torch._foreach_sub(live, shadow)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_mul_(steps, weight)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(shadow, steps)  # pyright: ignore[reportPrivateImportUsage]
        self._steps += 1

    @torch.no_grad()
    def _exchange(self, trainer: Trainer, wanted: bool) -> None:
        """Have the averaged weights in the model, or the raw ones: values change places, tensors stay what they are."""
        if wanted != self._exchanged and self._shadow:
            for name, live in self._live.items():
                kept = live.clone()
                live.copy_(self._shadow[name])
                self._shadow[name].copy_(kept)
            self._replicate(trainer)  # on XLA a graph of its own, which is the same each time
            self._exchanged = wanted

    def _replicate(self, trainer: Trainer) -> None:
        hardware.replicate(trainer, [*self._live.values(), *self._shadow.values()])

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _forget(self) -> None:
        self._unhook()
        self._steps, self._exchanged = 0, False
        self._live: dict[str, Tensor] = {}
        self._shadow: dict[str, Tensor] = {}
        self._loaded: dict[str, Tensor] = {}


def decay_at(step: int, decay: float) -> float:
    """The decay of an update, less in the first ones so that the average leaves a random start behind.

    As TensorFlow's `tf.train.ExponentialMovingAverage` has it with `num_updates`.

    Args:
        step: updates before this one.
        decay: its limit.
    """
    return min(decay, (1 + step) / (10 + step))


def averaged(model: nn.Module) -> dict[str, Tensor]:
    """What of a model is averaged, by its name in `state_dict`."""
    saved = model.state_dict().keys()
    tensors: dict[str, Tensor] = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    for prefix, module in model.named_modules():
        if module.training:
            tensors |= {name: buffer for name, buffer in module.named_buffers(prefix, recurse=False) if name in saved}
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
