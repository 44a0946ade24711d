"""Predictions of several runs of the same split, record by record."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import Run


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


def stack(runs: Sequence[Run], all_predictions: Sequence[Predictions], split: str) -> Stack:
    """Put the runs' predictions of a split on top of each other, all in the first run's order.

    Raises:
        UserError: they are of other records, classes or labels.
    """
    first, labels = all_predictions[0], all_predictions[0].labels
    aligned = [first.probabilities]
    for run, predictions in zip(runs[1:], all_predictions[1:], strict=True):
        order = _order(run, predictions, runs[0], first, split)
        if predictions.probabilities.shape[1] != first.probabilities.shape[1]:
            raise UserError(f"{run.path}: its {split} predictions are of other classes than those of {runs[0].path}")
        if predictions.labels is not None:
            own = predictions.labels[order]
            labels = own if labels is None else labels
            _check_labels(run, own, runs[0], labels, first.ids, split)
        aligned.append(predictions.probabilities[order])
    return Stack(first.ids, np.stack(aligned), labels)


def _order(run: Run, predictions: Predictions, first: Run, of_first: Predictions, split: str) -> NDArray[np.int64]:
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
