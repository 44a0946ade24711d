"""Trains flower classifiers from TFRecord shards on TPU, GPU or CPU.

`load("runs/NAME")` gives a trained model to ask about pictures of any kind.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_flowers.data.photograph import PictureError
    from lightning_flowers.use.loading import load
    from lightning_flowers.use.predictor import Guess, Predictor

__version__ = "0.1.0"
__all__ = ["Guess", "PictureError", "Predictor", "__version__", "load"]

_HOMES = {
    "Guess": "lightning_flowers.use.predictor",
    "PictureError": "lightning_flowers.data.photograph",
    "Predictor": "lightning_flowers.use.predictor",
    "load": "lightning_flowers.use.loading",
}


def __getattr__(name: str) -> Any:
    """Imported when asked for: torch takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
