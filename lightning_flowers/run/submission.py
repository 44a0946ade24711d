"""The competition's submission file."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from lightning_flowers.errors import DataError
from lightning_flowers.files import write_text
from lightning_flowers.run.predictions import Predictions

KAGGLE_WORKING = Path("/kaggle/working")


def to_csv(predictions: Predictions) -> str:
    """The submission as CSV: the header `id,label`, then each record's id and most probable class.

    Raises:
        DataError: an id stands more than once, or a probability is not finite.
    """
    probabilities = predictions.probabilities
    broken = ~(probabilities >= 0).all(1)
    if broken.any():
        raise DataError(f"record {predictions.ids[broken][0]}: its probabilities are not numbers of 0 or more")
    if len(set(predictions.ids)) < len(predictions.ids):
        raise DataError("an id stands more than once among the predictions")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "label"))
    writer.writerows(zip(predictions.ids.tolist(), probabilities.argmax(1).tolist(), strict=True))
    return text.getvalue()


def check_ids(ids: Sequence[str], sample: Path | None) -> None:
    """Compare the test split's ids with those of the competition's `sample_submission.csv`, where there is one.

    Raises:
        DataError: an id is missing or too many, or the sample cannot be read.
    """
    if sample is None:
        return
    try:
        with sample.open(newline="", encoding="utf-8-sig") as lines:
            wanted = {row["id"] for row in csv.DictReader(lines)}
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{sample}: not a readable CSV with the column id: {error}") from error
    found = set(ids)
    if found != wanted:
        raise DataError(
            f"{sample}: the test split's ids differ from it: {len(wanted - found)} missing, "
            f"{len(found - wanted)} too many (such as {min(wanted ^ found)}): the test shards are of another data set"
        )


def write(path: Path, predictions: Predictions, sample: Path | None) -> list[Path]:
    """Write the submission to `path`, and on Kaggle to /kaggle/working/submission.csv too.

    Returns:
        The files written.

    Raises:
        DataError: the predictions make no valid submission.
    """
    check_ids(predictions.ids.tolist(), sample)
    text = to_csv(predictions)
    paths = [path, *([KAGGLE_WORKING / "submission.csv"] if KAGGLE_WORKING.is_dir() else [])]
    for target in paths:
        write_text(target, text)
    return paths
