"""What tests of training share."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning import Callback, Trainer

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.model.classifier import FlowerClassifier


@pytest.fixture
def fit_python(petals_root: Path, tmp_path: Path) -> Callable[..., FlowerClassifier]:
    """`fit_python(callbacks=(), epochs=1, balance=0.0, **settings)`: a test_resnet, trained by a Trainer of our own."""

    def fit(
        callbacks: tuple[Callback, ...] = (), epochs: int = 1, balance: float = 0.0, **settings: Any
    ) -> FlowerClassifier:
        plain: dict[str, Any] = {"threads": 1, "cache": "none", "augment": "none"}
        data = PetalsDataModule(str(petals_root), batch_size=8, balance=balance, **plain)
        model = FlowerClassifier("test_resnet", num_classes=4, weights="none", lr=0.01, **settings)
        off: dict[str, Any] = dict.fromkeys(
            ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
        )
        trainer = Trainer(
            max_epochs=epochs, accelerator="cpu", callbacks=list(callbacks), default_root_dir=tmp_path, **off
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's, of loaders that are not torch's
            trainer.fit(model, data)
        return model

    return fit
