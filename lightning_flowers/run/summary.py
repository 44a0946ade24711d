"""summary.json: a run's results and all that is needed to trust and repeat them."""

import platform
import re
from importlib import metadata
from typing import Any

from pytorch_lightning import Trainer
from torch import nn

from lightning_flowers import __version__, hardware
from lightning_flowers.model.backbones import timm_name
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.epochs import speed_of
from lightning_flowers.run.history import History

PACKAGES = ("torch", "timm", "pytorch-lightning", "albumentations", "simplejpeg", "torch-xla")
_SHORTCUT = re.compile("downsample|skip|shortcut")  # in timm's names


def summarize(trainer: Trainer, model: FlowerClassifier, history: History, data: dict[str, object]) -> dict[str, Any]:
    """The summary of a run, finished or interrupted.

    Args:
        data: of the datamodule's `summary`.
    """
    best = history.best()
    return {
        "status": trainer.state.status,
        "backbone": model.hparams["backbone"],
        "timm_name": timm_name(model.hparams["backbone"]),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "depth": depth(model),
        "trainable": not model.frozen,
        **speed_of(history.epochs),
        "best_epoch": int(best["epoch"]) if best else None,
        "best": best,
        "hardware": {
            "device": hardware.describe(trainer.strategy.root_device),
            "accelerator": type(trainer.accelerator).__name__,
            "devices": hardware.device_count(trainer),
            "precision": str(trainer.precision),
            **hardware.compiled(trainer.strategy.root_device),
        },
        "versions": versions(),
        "data": data,
    }


def depth(model: nn.Module) -> int:
    """Convolutions and dense layers of a model, those on a shortcut left out, as tables of models state it.

    So a ResNet-152 has 152 and a DenseNet-201 201. Of layers side by side, as in an Inception, all count.
    """
    return sum(_counts(name, module) for name, module in model.named_modules())


def versions() -> dict[str, str]:
    """Versions of Python, this package and those that a result depends on, as far as they are installed."""
    found = {"python": platform.python_version(), "lightning_flowers": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _counts(name: str, module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):  # a ConvNeXt's `downsample`, which is on its way, is a larger one
        return not (module.kernel_size == (1, 1) and _SHORTCUT.search(name))
    return isinstance(module, nn.Linear)
