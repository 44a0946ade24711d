"""summary.json: a run's results and all that is needed to trust and repeat them."""

import platform
from importlib import metadata
from typing import Any

from pytorch_lightning import Trainer

from lightning_flowers import __version__, hardware
from lightning_flowers.model.backbones import timm_name
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.depth import depth
from lightning_flowers.run.history import History, Row

PACKAGES = ("torch", "timm", "pytorch-lightning", "albumentations", "simplejpeg", "torch-xla")


def summarize(
    trainer: Trainer, model: FlowerClassifier, history: History, data: dict[str, object], size: int
) -> dict[str, Any]:
    """The summary of a run, finished or interrupted.

    Args:
        data: of the datamodule's `summary`.
        size: of the pictures in pixels.
    """
    best = history.best()
    return {
        "status": trainer.state.status,
        "backbone": model.hparams["backbone"],
        "timm_name": timm_name(model.hparams["backbone"]),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "depth": depth(model, size),
        "trainable": not model.frozen,
        "epochs": len(history.rows),
        "best_epoch": int(best["epoch"]) if best else None,
        "best": best,
        "seconds_first_epoch": history.rows[0]["seconds"] if history.rows else None,
        "seconds_per_epoch": _steady(history.rows, "seconds"),
        "images_per_second": _steady(history.rows, "images_per_second"),
        "data_wait_seconds_per_epoch": _steady(history.rows, "data_wait_seconds"),
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


def versions() -> dict[str, str]:
    """Versions of Python, this package and those that a result depends on, as far as they are installed."""
    found = {"python": platform.python_version(), "lightning_flowers": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _steady(rows: list[Row], name: str) -> float | None:
    """The mean over epochs, without the first if there are others: it warms up and compiles."""
    values = [row[name] for row in rows[1:] or rows]
    return sum(values) / len(values) if values else None
