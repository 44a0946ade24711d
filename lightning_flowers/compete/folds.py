"""Runs' predictions as one: the folds of a model, and what teaches others by its answers about test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_flowers.compete.choice import FLIPS
from lightning_flowers.ensemble.scoring import PLAIN
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions, write_answers
from lightning_flowers.run.results import read_run


def of_views(runs: Path, name: str, views: str = FLIPS) -> RunFolder:
    """Where a run's predictions by these views are."""
    return RunFolder(runs / (name if views == PLAIN else f"{name}-{views}"))


def read_test(folders: Sequence[RunFolder]) -> list[Predictions]:
    """The predictions of test.

    Raises:
        UserError: they are not of the same records and classes in the same order, as data were changed meanwhile.
    """
    test = [Predictions.load(folder.predictions("test")) for folder in folders]
    classes = [read_run(folder.path).data.class_names for folder in folders]
    for folder, each, names in zip(folders, test, classes, strict=True):
        if names != classes[0] or not np.array_equal(each.ids, test[0].ids):
            raise UserError(
                f"{folder.path}: has other test records or classes than {folders[0].path}, or in another order: the "
                "data were changed between them: begin anew with another --name"
            )
    return test


def join_folds(parts: Sequence[RunFolder], target: RunFolder) -> None:
    """Leave a folder that reads as a run's: out-of-fold predictions as those of val, and the folds' mean of test.

    Raises:
        UserError: the folds are not of the same data.
    """
    test = read_test(parts)
    val = [Predictions.load(part.predictions("val"), labelled=True) for part in parts]
    external = any(each.external for each in (*test, *val))
    ids = np.concatenate([each.ids for each in val])
    probabilities = np.concatenate([each.probabilities for each in val])
    labels = np.concatenate([each.labels for each in val if each.labels is not None])
    Predictions(ids, probabilities, labels, external).save(target.predictions("val"))
    mean = np.stack([each.probabilities for each in test]).mean(0)
    Predictions(test[0].ids, mean, external=external).save(target.predictions("test"))
    first = parts[0].read_summary()
    data = {**first["data"], "fold": None, "records": {"val": len(ids), "test": len(mean)}, "fingerprints": {}}
    write_text(target.config, parts[0].config.read_text("utf-8"))
    target.write_summary({**first, "data": data, "best": None, "folds_of": [part.path.name for part in parts]})


def write_teacher(runs: Sequence[RunFolder], target: RunFolder) -> None:
    """Leave the answers about test that are those of the mean of some runs.

    Raises:
        UserError: the runs are not of the same data.
    """
    test = read_test(runs)
    mean = np.stack([each.probabilities for each in test]).mean(0)
    write_answers(target, "test", Predictions(test[0].ids, mean), read_run(runs[0].path).data.class_names)
