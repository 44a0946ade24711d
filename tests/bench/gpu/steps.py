"""Our steps of training and validation, through the loader and Lightning's Trainer, as `fit` takes them."""

from typing import Any

import torch
from pytorch_lightning import Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.model.classifier import FlowerClassifier

from . import costs
from .card import peak_memory
from .clock import Clock
from .jobs import Job

# As configs/*.yaml have it, and without weights to be fetched.
STUDY = {"weights": "none", "optimizer": "adam", "lr": 4e-4, "weight_decay": 0.0, "label_smoothing": 0.0}


def measure(job: Job) -> dict[str, Any]:
    """What the clock found, the memory, and for eager steps what they ask of the device. Every picture is decoded: no
    epoch after the first makes a loader wait longer."""
    device = torch.device(job.device)
    try:
        data, model = made(job, compile=job.compiled, grad_checkpointing=False)
        clock = Clock(device)
        data.wrap = clock.watch  # which also leaves out the choice of a cache
        trainer_for(job, fast_dev_run=job.steps, callbacks=[clock]).fit(model, datamodule=data)
        if model.micro_batches.size:  # not all at a time, as timm's have to be
            return {"oom": True}
        memory = peak_memory(device)
        asked = {} if job.compiled else costs.of_a_picture(model.to(device), _pictures(job, device))
    except torch.OutOfMemoryError:
        return {"oom": True}
    return {**clock.found, "memory": memory, **asked}


def made(job: Job, **model: Any) -> tuple[PetalsDataModule, FlowerClassifier]:
    """The data and the model of a job."""
    hardware.prepare_host(job.device)
    data = PetalsDataModule(job.root, job.size, batch_size=job.batch, augment="none", cache="none")
    return data, FlowerClassifier(job.backbone, len(data.classes), schedule="starter", **STUDY, **model)


def trainer_for(job: Job, **options: Any) -> Trainer:
    """A Trainer that leaves nothing behind."""
    quiet: Any = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    accelerator = hardware.choose_accelerator(job.device)
    return Trainer(
        accelerator=accelerator, devices=1, precision="bf16-mixed", enable_model_summary=False, **quiet, **options
    )


def _pictures(job: Job, device: torch.device) -> torch.Tensor:
    """A batch in the order that the loader has."""
    return torch.randint(256, (job.batch, job.size, job.size, 3), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
