"""timm's train script as its users run it: the same pictures as an ImageFolder, its speed as its log lines tell it."""

import logging
import os
import re
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.model.backbones import timm_name

from .. import cpu, petals
from .card import peak_memory
from .clock import WARM_UP
from .jobs import Job

VARIABLE = "TIMM_TRAIN"
_LINE = re.compile(r"Train: \d+ \[.*Time: ([\d.]+)s,.*Data: ([\d.]+) ")


class Lines(logging.Handler):
    """The seconds of each step that the script tells of, and those of them that it waited for data."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[float, float]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if found := _LINE.search(record.getMessage()):
            self.steps.append((float(found[1]), float(found[2])))


def missing() -> str | None:
    """Why the script cannot be run; None if it can."""
    given = os.environ.get(VARIABLE)
    return None if given and Path(given).is_file() else f"{VARIABLE} names no train.py of timm's"


def measure(job: Job) -> dict[str, Any]:
    """What the script's lines say, and the memory."""
    script, device = Path(os.environ[VARIABLE]), torch.device(job.device)
    lines, logger = Lines(), logging.getLogger("train")
    with tempfile.TemporaryDirectory() as folder:
        pictures, output = Path(folder) / "pictures", Path(folder) / "output"
        classes = write_folders(job, pictures)
        arguments = [str(script), *flags(job, classes), f"--data-dir={pictures}", f"--output={output}"]
        # As Python does for a script: timm itself too is taken from there, if it lies beside it.
        with patch.object(sys, "argv", arguments), patch.object(sys, "path", [str(script.parent), *sys.path]):
            logger.addHandler(lines)
            try:
                runpy.run_path(str(script), run_name="__main__")
            except torch.OutOfMemoryError:
                return {"oom": True}
            finally:
                logger.removeHandler(lines)
    taken, waited = (sum(column) for column in zip(*lines.steps[WARM_UP:], strict=True))
    images = job.batch * len(lines.steps[WARM_UP:])
    return {
        "warm_up_seconds": sum(seconds for seconds, _ in lines.steps[:WARM_UP]),
        "images_per_second": images / taken,
        "waiting": waited / taken,
        "memory": peak_memory(device),
        "timm": sys.modules["timm"].__version__,  # of what lies beside the script, or is installed
    }


def flags(job: Job, classes: int) -> list[str]:
    """An epoch of our settings, in the script's words; each step is told."""
    return [
        f"--model={timm_name(job.backbone)}",
        f"--num-classes={classes}",
        *("--input-size", "3", str(job.size), str(job.size)),
        f"--batch-size={job.batch}",
        *("--amp", "--amp-dtype=bfloat16", "--channels-last", f"--device={job.device}"),
        *("--opt=adam", "--lr=4e-4", "--weight-decay=0", "--smoothing=0", "--sched=step", "--no-aug"),
        *("--train-split=train", "--val-split=", "--epochs=1", "--warmup-epochs=0", "--log-interval=1"),
        f"--workers={len(cpu.cores())}",
        *(["--pin-mem"] if job.device == "cuda" else []),
        *(["--torchcompile"] if job.compiled else []),
    ]


def write_folders(job: Job, folder: Path) -> int:
    """Write the pictures of so many batches out of the shards, a folder for each class; gives how many classes."""
    classes = len(open_source(Path(job.root)).classes)
    split = open_split(petals.train_folder(Path(job.root), job.size), job.size, classes, labelled=True)
    for label in range(classes):
        (folder / "train" / f"{label:03d}").mkdir(parents=True)
    for position in range(min(job.batch * job.steps, len(split))):
        place = folder / "train" / f"{split.label(position):03d}"
        (place / f"{position}.jpg").write_bytes(split.image_bytes(position))
    return classes
