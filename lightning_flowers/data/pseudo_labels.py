"""Records of the test split to train on, with the labels that a model gave them (Lee 2013, "Pseudo-Label")."""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_flowers.data.splits.split import Split, join
from lightning_flowers.errors import DataError


def with_pseudo_labels(train: Split, test: Split, path: Path, threshold: float, classes: Sequence[str]) -> Split:
    """Train, and after it the records of test that a model is sure of, labelled as it says.

    Args:
        path: CSV with the columns id, name (of the class) and probability, as `predict` leaves for test.
        threshold: the least probability, 0..1.

    Raises:
        DataError: it cannot be read, has other columns, records or classes, or no record is as probable.
    """
    found = _read(path, threshold, {name: label for label, name in enumerate(classes)})
    ids = test.ids
    if unknown := found.keys() - set(ids.tolist()):
        raise DataError(f"{path}: {len(unknown)} records are not of {test.name}, such as {min(unknown)}")
    chosen = np.flatnonzero(np.isin(ids, list(found)))
    if not len(chosen):
        raise DataError(f"{path}: no record has a probability of {threshold:g} or more")
    labels = np.array([found[identity] for identity in ids[chosen].tolist()], dtype=np.int64)
    both = join([train, test.select(chosen)], f"{train.name}, and {len(chosen)} pseudo-labels of test")
    both.labels = np.concatenate([train.labels, labels])
    both.relabelled = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
    return both


def _read(path: Path, threshold: float, numbers: dict[str, int]) -> dict[str, int]:
    """Labels of the records that are as probable, by their ids."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = [(row["id"], row["name"], float(row["probability"])) for row in csv.DictReader(lines)]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(
            f"{path}: not a readable CSV with the columns id, name and probability, as predict leaves in "
            f"predictions/test.csv: {error}"
        ) from error
    if len({identity for identity, _, _ in rows}) < len(rows):
        raise DataError(f"{path}: an id stands more than once: keep one")
    if other := {name for _, name, _ in rows} - numbers.keys():
        raise DataError(f"{path}: {min(other)!r} is not one of the data's classes")
    return {identity: numbers[name] for identity, name, probability in rows if probability >= threshold}
