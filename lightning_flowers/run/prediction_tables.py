"""What was predicted of a split, for people and spreadsheets."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.files import write_text
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions


def write_answers(
    folder: RunFolder,
    split: str,
    predictions: Predictions,
    classes: Sequence[str],
    labels: NDArray[np.int64] | None = None,
) -> None:
    """Write predictions/SPLIT.csv: id,label,name,probability of the class that each record is taken for.

    Probabilities are those of the .npz, not calibrated.

    Args:
        classes: names; none gives their numbers.
        labels: int64 (records,), decided otherwise than for the most probable class.
    """
    chosen: NDArray[np.int64] = predictions.probabilities.argmax(1) if labels is None else labels
    names = [classes[label] if classes else str(label) for label in chosen]
    probabilities = [f"{value:.6f}" for value in predictions.probabilities[np.arange(len(chosen)), chosen]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "label", "name", "probability"))
    writer.writerows(zip(predictions.ids.tolist(), chosen.tolist(), names, probabilities, strict=True))
    write_text(folder.answers(split), text.getvalue())
