"""The runs that are blended: predictions of the same records, in the same order, checked before anything is made."""

import os
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.prediction_folder import outdated
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import Run, names_of, read_run


@dataclass(frozen=True, eq=False)
class Stack:
    """The members' predictions of a split.

    Attributes:
        ids: strings (records,), in the first member's order.
        probabilities: float32 (members, records, classes).
        labels: int64 (records,), or None where they are unknown.
    """

    ids: NDArray[np.str_]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class Members:
    """Runs and what they predict; test is None if none of them predicts it."""

    runs: tuple[Run, ...]
    val: Stack
    labels: NDArray[np.int64]
    test: Stack | None
    external: bool

    @property
    def names(self) -> list[str]:
        """What to call each."""
        return names_of(self.runs)


def read_members(paths: Sequence[Path], least: int = 2) -> Members:
    """Read runs, given each once.

    Args:
        least: how many there must be.

    Raises:
        UserError: they are not of the same records and classes (in the same order), one has no
            predictions, or they cannot be used; or one was fitted on val, or chosen by it, so that its val predictions
            are not held out.
    """
    _check_paths(paths, least)
    runs = tuple(_read(path) for path in paths)
    val = [_load(run, "val", labelled=True) for run in runs]
    test = _load_test(runs)
    for run, predictions in zip(runs, val, strict=True):
        _check_classes(run, predictions, runs[0], val[0])
    of_val = _stack(runs, val, "val")
    assert of_val.labels is not None  # Predictions.load has seen to that
    external = any(predictions.external for predictions in (*val, *test)) or any(run.data.external for run in runs)
    return Members(runs, of_val, of_val.labels, _stack(runs, test, "test") if test else None, external)


def _check_paths(paths: Sequence[Path], least: int) -> None:
    if not paths:
        raise UserError("ensemble: give run folders, such as runs/a runs/b")
    places: set[str] = set()
    for path in paths:
        place = os.path.realpath(path)
        if place in places:
            raise UserError(f"{path}: given twice: leave it out once, and weigh runs with --weights")
        places.add(place)
    if len(paths) < least:
        raise UserError(f"{paths[0]}: one run alone is no blend: give another one too")


def _read(path: Path) -> Run:
    run = read_run(path)
    _check_held_out(run)
    if not run.finished and not RunFolder(path).predictions("val").is_file():
        raise UserError(
            f"{path}: not finished ({run.status or 'status unknown'}) and without predictions: "
            f"fit --resume {(run_path := shlex.quote(str(path)))}, or predict --run {run_path}"
        )
    if old := outdated(run.path):
        warnings.warn(old, stacklevel=2)
    return run


def _check_held_out(run: Run) -> None:
    """Fail if the run's val predictions, or the choice of its weights, were fitted on val."""
    if run.ensemble is not None:
        raise UserError(f"{run.path}: is a blend, fitted on val: give its members instead")
    if run.soup is not None and run.soup.method == "greedy":
        raise UserError(f"{run.path}: was chosen on val: give the greedy soup's members, or a uniform soup, instead")
    if run.data.train_on != "train":
        raise UserError(
            f"{run.path}: was trained on val too (train_on={run.data.train_on}): its val scores would deceive"
        )


def _load(run: Run, split: str, labelled: bool = False) -> Predictions:
    return Predictions.load(RunFolder(run.path).predictions(split), labelled)


def _load_test(runs: Sequence[Run]) -> list[Predictions]:
    """The predictions of test, of none or of all."""
    has = [RunFolder(run.path).predictions("test").is_file() for run in runs]
    return [_load(run, "test") for run in runs] if any(has) else []


def _check_classes(run: Run, predictions: Predictions, first: Run, of_first: Predictions) -> None:
    classes, wanted = predictions.probabilities.shape[1], of_first.probabilities.shape[1]
    if classes != wanted:
        raise UserError(f"{run.path}: has {classes} classes, {first.path} has {wanted}: blend runs of the same classes")
    if run.data.class_names != first.data.class_names:
        raise UserError(f"{run.path}: has other classes than {first.path}, or in another order: they cannot be blended")


def _stack(runs: Sequence[Run], all_predictions: Sequence[Predictions], split: str) -> Stack:
    """Put the runs' predictions of a split on top of each other, all in the first run's order.

    Raises:
        UserError: they are of other records or labels.
    """
    first, labels = all_predictions[0], all_predictions[0].labels
    aligned = [first.probabilities]
    for run, predictions in zip(runs[1:], all_predictions[1:], strict=True):
        order = _places_of(run, predictions, runs[0], first, split)
        if predictions.labels is not None:
            own = predictions.labels[order]
            labels = own if labels is None else labels
            _check_labels(run, own, runs[0], labels, first.ids, split)
        aligned.append(predictions.probabilities[order])
    return Stack(first.ids, np.stack(aligned), labels)


def _places_of(run: Run, predictions: Predictions, first: Run, of_first: Predictions, split: str) -> NDArray[np.int64]:
    """Where the first run's records stand among a run's."""
    sorter = np.argsort(predictions.ids)
    found, wanted = set(predictions.ids.tolist()), set(of_first.ids.tolist())
    if found != wanted:
        raise UserError(
            f"{run.path}: its {split} records are not those of {first.path}: {len(wanted - found)} missing, "
            f"{len(found - wanted)} too many (such as {min(found ^ wanted)}): blend runs of the same split"
        )
    return sorter[np.searchsorted(predictions.ids, of_first.ids, sorter=sorter)]


def _check_labels(
    run: Run, labels: NDArray[np.int64], first: Run, wanted: NDArray[np.int64], ids: NDArray[np.str_], split: str
) -> None:
    other = np.flatnonzero(labels != wanted)
    if len(other):
        raise UserError(
            f"{run.path}: its {split} labels are not those of {first.path}: {len(other)} differ, the first that of "
            f"{ids[other[0]]}: blend runs of the same labels"
        )
