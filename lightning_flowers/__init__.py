"""Trains flower classifiers from TFRecord shards on TPU, GPU or CPU.

`fit` and `predict` do what the commands of these names do; `PetalsDataModule` and `FlowerClassifier` go with a Trainer
of one's own, and `History` and `collect_predictions` keep what that did; `load("runs/NAME")` gives a trained model to
ask about pictures of any kind; `read_run` and `Predictions` read what a run left; `draw_curves` shows a history, and
`write_submission` writes what Kaggle takes.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_flowers.api import fit as fit
    from lightning_flowers.api import predict as predict
    from lightning_flowers.data.datamodule import PetalsDataModule as PetalsDataModule
    from lightning_flowers.data.photograph import PictureError as PictureError
    from lightning_flowers.errors import UserError as UserError
    from lightning_flowers.model.classifier import FlowerClassifier as FlowerClassifier
    from lightning_flowers.report.curves import draw_curves as draw_curves
    from lightning_flowers.run.history import History as History
    from lightning_flowers.run.prediction_writer import collect_predictions as collect_predictions
    from lightning_flowers.run.predictions import Predictions as Predictions
    from lightning_flowers.run.results import Run as Run
    from lightning_flowers.run.results import read_run as read_run
    from lightning_flowers.run.submission import write_submission as write_submission
    from lightning_flowers.use.loading import load as load
    from lightning_flowers.use.predictor import Guess as Guess
    from lightning_flowers.use.predictor import Predictor as Predictor

__version__ = "0.1.0"
_HOMES = {
    "FlowerClassifier": "lightning_flowers.model.classifier",
    "Guess": "lightning_flowers.use.predictor",
    "History": "lightning_flowers.run.history",
    "PetalsDataModule": "lightning_flowers.data.datamodule",
    "PictureError": "lightning_flowers.data.photograph",
    "Predictions": "lightning_flowers.run.predictions",
    "Predictor": "lightning_flowers.use.predictor",
    "Run": "lightning_flowers.run.results",
    "UserError": "lightning_flowers.errors",
    "collect_predictions": "lightning_flowers.run.prediction_writer",
    "draw_curves": "lightning_flowers.report.curves",
    "fit": "lightning_flowers.api",
    "load": "lightning_flowers.use.loading",
    "predict": "lightning_flowers.api",
    "read_run": "lightning_flowers.run.results",
    "write_submission": "lightning_flowers.run.submission",
}


def __getattr__(name: str) -> Any:
    """Imported when asked for: torch takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
