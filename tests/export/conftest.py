"""What tests of `export` share: a run, exported in every way; and predictors that need no run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lightning_flowers
from lightning_flowers.__main__ import main
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.views import Tta, views_of
from lightning_flowers.run.results import Data, Run
from lightning_flowers.use.members import Member
from lightning_flowers.use.predictor import Predictor

CLASSES = ("red", "green", "blue")


@pytest.fixture(scope="session")
def exported(tiny_run, tmp_path_factory):
    """The folder with all that the tiny run can be exported to (for reading only)."""
    out = tmp_path_factory.mktemp("exports") / "tiny"
    assert main(["export", str(tiny_run), "--to=all", "--int8", f"--out={out}"]) == 0
    return out


@pytest.fixture(scope="session")
def predictor(tiny_run):
    return lightning_flowers.load(tiny_run, accelerator="cpu")


def predictor_of(*members, method="arithmetic", temperature=1.0):
    return Predictor("made", Path("runs/made"), CLASSES, members, method, temperature)


def member_of(backbone="test_resnet", size=64, tta: Tta = "none", weight=1.0, **settings):
    """A model with random weights, and logits that differ from picture to picture."""
    torch.manual_seed(size)
    model = FlowerClassifier(backbone, len(CLASSES), weights="none", **settings).eval()
    model.class_names = CLASSES
    probe = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 3, size, size), dtype=np.uint8))
    with torch.no_grad():
        last: Any = model.head[-1]
        logits = model(probe)
        last.weight.mul_(2 / logits.std(0).mean())
        last.bias.sub_(model(probe).mean(0))
    run = Run(path=Path("runs/made"), timm_name=backbone, data=Data(size=size))
    return Member(run, model, weight, size, tta, views_of(tta))
