"""What a command leaves and says at its end. Only the first of several processes writes and speaks."""

import csv
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from lightning_fabric.utilities.rank_zero import rank_zero_only
from numpy.typing import NDArray
from tqdm import tqdm

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.data.split import Split
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
    sample = data.source.sample_submission()
    for name, probabilities in zip(data.names_for("predict"), results, strict=True):
        split = data.splits[name]
        is_test = name == "test"
        ids = test_ids(split, sample) if is_test else split.ids
        predictions = replace(_of_split(split, ids, probabilities, whole=is_test), external=data.external)
        predictions.save(folder.predictions(name))
        say("predicted", str(folder.predictions(name)))
        if is_test:
            for path in submission.write(folder.submission, predictions, sample):
                say("submission", f"{path}{' (trained on external data)' if data.external else ''}")


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
    submission.check_ids(ids, sample)
    return np.array(ids)


def _ids_in(sample: Path) -> set[str]:
    """The ids of a sample submission; none of one that cannot be read, of which `check_ids` says more."""
    with suppress(OSError, KeyError, ValueError, csv.Error), sample.open(newline="", encoding="utf-8-sig") as lines:
        return {row["id"] for row in csv.DictReader(lines)}
    return set()


def _of_split(split: Split, ids: NDArray[np.str_], probabilities: NDArray[np.float32], whole: bool) -> Predictions:
    """The predictions of a split's records; those that could not be read are left out.

    Where `whole`, as in a submission, they get the mean probabilities of the others.
    """
    read = np.ones(len(split), np.bool_)
    read[list(split.bad)] = False
    if whole:
        probabilities = np.where(read[:, None], probabilities, probabilities[read].mean(0))
        read[:] = True
    labels = split.labels[read]
    return Predictions(ids[read], probabilities[read], labels if (labels >= 0).all() else None)


@rank_zero_only
def say_skipped(data: PetalsDataModule) -> None:
    """Print how many records could not be used."""
    for name, split in data.splits.items():
        if split.bad:
            say("skipped", f"{len(split.bad)} of {len(split)} {name} records cannot be used, see summary.json")


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
