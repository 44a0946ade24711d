"""What a command leaves and says at its end. Only the first of several processes writes and speaks."""

from collections.abc import Mapping

import numpy as np
from lightning_fabric.utilities.rank_zero import rank_zero_only
from numpy.typing import NDArray
from tqdm import tqdm

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.run import submission
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.history import Row
from lightning_flowers.run.predictions import Predictions


@rank_zero_only
def say(what: str, text: str) -> None:
    """Print a line under a heading, past any progress bar."""
    tqdm.write(f"{what:<11}{text}")


@rank_zero_only
def write_predictions(folder: RunFolder, data: PetalsDataModule, results: list[NDArray[np.float32]]) -> None:
    """Write the probabilities of each split that `predict` reads, and the submission where test is among them.

    Args:
        results: of each split, float32 (records, classes).

    Raises:
        DataError: the predictions make no valid submission.
    """
    for name, probabilities in zip(data.names_for("predict"), results, strict=True):
        split = data.splits[name]
        labels = split.labels if (split.labels >= 0).all() else None
        predictions = Predictions(split.ids, probabilities, labels)
        predictions.save(folder.predictions(name))
        say("predicted", str(folder.predictions(name)))
        if name == "test":
            for path in submission.write(folder.submission, predictions, data.source.sample_submission()):
                say("submission", str(path))


def say_best(best: Row, classes: int) -> None:
    """Print the scores of the best epoch."""
    scores = (
        f"macro F1 {best['val_macro_f1']:.4f} over {classes} classes, "
        f"{best['val_macro_f1_present']:.4f} over those present, accuracy {best['val_accuracy']:.4f}"
    )
    say("best", f"epoch {best['epoch']:.0f}: val {scores}")


def say_scores(split: str, records: int, scores: Mapping[str, float]) -> None:
    """Print what `validate` or `test` found."""
    named = ", ".join(f"{name.removeprefix(f'{split}_')} {value:.4f}" for name, value in scores.items())
    say(split, f"{records} records: {named}")
