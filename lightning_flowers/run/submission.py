"""The competition's submission file."""

import csv
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.sources.competition import competition_classes
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import DataError, path_text
from lightning_flowers.files import csv_text, write_text
from lightning_flowers.run.predictions import Predictions, fault

KAGGLE_WORKING = Path("/kaggle/working")
COMPETITIONS = ("tpu-getting-started", "flower-classification-with-tpus")  # the second has the same data


def to_csv(predictions: Predictions, labels: NDArray[np.int64] | Sequence[int] | None = None) -> str:
    """The submission as CSV: the header `id,label`, then each record's id and class.

    Args:
        labels: int64 (records,), decided otherwise than for the most probable class.

    Raises:
        DataError: the predictions cannot be used, or a label is no class.
    """
    if wrong := fault(predictions):
        raise DataError(wrong)
    probabilities = predictions.probabilities
    chosen = probabilities.argmax(1) if labels is None else np.asarray(labels)
    whole = chosen.dtype.kind in "iu" and chosen.shape == predictions.ids.shape
    if not whole or ((chosen < 0) | (chosen >= probabilities.shape[1])).any():
        raise DataError(f"labels must be one of 0..{probabilities.shape[1] - 1} for each record")
    return csv_text(("id", "label"), zip(predictions.ids.tolist(), chosen.tolist(), strict=True))


def check_ids(ids: Sequence[str], sample: Path | None) -> None:
    """Compare the test split's ids with those of the competition's `sample_submission.csv`, where there is one.

    Raises:
        DataError: an id is missing or too many, or the sample cannot be read.
    """
    if sample is None:
        return
    found, wanted = set(ids), _ids_in(sample)
    if found != wanted:
        raise DataError(
            f"{sample}: the test split's ids differ from it: {len(wanted - found)} missing, "
            f"{len(found - wanted)} too many (such as {min(wanted ^ found)}): the test shards are of another data set"
        )


def test_ids(split: Split, sample: Path | None) -> NDArray[np.str_]:
    """The ids of the test split, (records,) strings, checked against the competition's `sample_submission.csv`.

    The id of a damaged record that is left out cannot be read: it is given one that only the sample has.

    Raises:
        DataError: an id is missing or too many, or the sample cannot be read.
    """
    ids = split.ids.tolist()
    if sample is not None and split.bad:
        wanted = _ids_in(sample)
        unknown = [position for position in split.bad if ids[position] not in wanted]
        for position, identity in zip(unknown, sorted(wanted.difference(ids)), strict=False):
            ids[position] = identity
    check_ids(ids, sample)
    return np.array(ids)


def how_to_send(path: Path, classes: Sequence[str], root: str, message: str) -> str | None:
    """The command that sends a submission to Kaggle; None for data of other classes than the competition's.

    On Kaggle itself nothing needs sending: the competition takes the file from the kernel's output.

    Args:
        root: of the data; names the competition, if the folder does.
        message: that stands beside the score.
    """
    if tuple(classes) != competition_classes():
        return None
    competition = next((name for name in COMPETITIONS if name in root), COMPETITIONS[0])
    return shlex.join(["kaggle", "competitions", "submit", competition, "-f", str(path), "-m", message])


def write_submission(
    path: str | os.PathLike[str],
    predictions: Predictions,
    sample: str | os.PathLike[str] | None = None,
    labels: NDArray[np.int64] | Sequence[int] | None = None,
) -> list[Path]:
    """Write the submission to `path`, and on Kaggle to /kaggle/working/submission.csv too.

    Args:
        sample: the competition's `sample_submission.csv`, whose ids must be those of the predictions.
        labels: int64 (records,), decided otherwise than for the most probable class.

    Returns:
        The files written.

    Raises:
        DataError: the predictions make no valid submission.
    """
    if not isinstance(predictions, Predictions):
        raise DataError(f"predictions: {type(predictions).__name__} has no ids: give Predictions(ids, probabilities)")
    check_ids(predictions.ids.tolist(), None if sample is None else Path(path_text("sample", sample)))
    text = to_csv(predictions, labels)
    paths = [Path(path_text("path", path)), *([KAGGLE_WORKING / "submission.csv"] if KAGGLE_WORKING.is_dir() else [])]
    for target in paths:
        write_text(target, text)
    return paths


def _ids_in(sample: Path) -> set[str]:
    try:
        with sample.open(newline="", encoding="utf-8-sig") as lines:
            return {row["id"] for row in csv.DictReader(lines)}
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{sample}: not a readable CSV with the column id: {error}") from error
