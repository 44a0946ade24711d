"""What predictions of the val split say: scores, classes, confusions, the records to look at, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.evaluation.calibration import Calibration, Reliability, calibrate, log_loss, reliability, soften
from lightning_flowers.evaluation.confusion import (
    Scores,
    class_scores,
    confusion_matrix,
    scores,
    strongest_confusions,
)
from lightning_flowers.evaluation.suspects import highest_loss, label_suspects, least_sure
from lightning_flowers.run.predictions import Predictions

CONFUSIONS, RECORDS = 20, 12  # as many are shown


class ClassRow(NamedTuple):
    """Scores of one class, as `evaluation.confusion.ClassScores` has them for all."""

    label: int
    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


class Confusion(NamedTuple):
    """A pair of classes that were mistaken: so many `records` of `label` were taken for `predicted`."""

    label: int
    name: str
    predicted: int
    predicted_name: str
    records: int
    support: int


class Record(NamedTuple):
    """One record: its label, and another class with its name.

    Attributes:
        other: the most probable class; of a suspect, the most probable one that is not its label.
        probability, other_probability: of the label, and of the other class.
    """

    id: str
    label: int
    name: str
    probability: float
    other: int
    other_name: str
    other_probability: float

    @property
    def right(self) -> bool:
        """Whether the label is the most probable class."""
        return self.label == self.other


@dataclass(frozen=True)
class Findings:
    """What the predictions say.

    Attributes:
        names: of all classes, in the order of their labels.
        confusion: int64 (classes, classes), rows are the true classes.
        loss: mean cross-entropy, in nats.
        classes: in the order of their labels.
        confusions: most records first.
        worst, unsure: highest loss first, and smallest margin between the two most probable classes first.
        suspects: all records whose label may be wrong, the most suspicious first.
        before, after: reliability of the probabilities as they are, and softened with the temperature.
    """

    names: tuple[str, ...]
    confusion: NDArray[np.int64]
    scores: Scores
    loss: float
    classes: tuple[ClassRow, ...]
    confusions: tuple[Confusion, ...]
    worst: tuple[Record, ...]
    unsure: tuple[Record, ...]
    suspects: tuple[Record, ...]
    before: Reliability
    after: Reliability
    calibration: Calibration

    @property
    def records(self) -> int:
        """How many records were predicted."""
        return int(self.confusion.sum())

    def hardest(self) -> list[ClassRow]:
        """The classes with the lowest F1 first; those without a true and a predicted record last."""
        return sorted(self.classes, key=lambda row: (row.support + row.predicted == 0, row.f1))


def find(predictions: Predictions, names: Sequence[str]) -> Findings:
    """Look into the predictions.

    Args:
        predictions: with labels, of one record or more.
        names: of the classes, in the order of their labels.
    """
    probabilities, labels = predictions.probabilities, predictions.labels
    assert labels is not None
    confusion = confusion_matrix(labels, probabilities.argmax(1), probabilities.shape[1])
    calibration = calibrate(probabilities, labels)
    worst, unsure = highest_loss(probabilities, labels, RECORDS), least_sure(probabilities, RECORDS)
    suspects = label_suspects(probabilities, labels)
    return Findings(
        names=tuple(names),
        confusion=confusion,
        scores=scores(confusion),
        loss=log_loss(probabilities, labels),
        classes=_classes(confusion, names),
        confusions=_confusions(confusion, names),
        worst=tuple(_record(predictions, position, names) for position in worst),
        unsure=tuple(_record(predictions, position, names) for position in unsure),
        suspects=tuple(_record(predictions, position, names, other_than_label=True) for position in suspects),
        before=reliability(probabilities, labels),
        after=reliability(soften(probabilities, calibration.temperature), labels),
        calibration=calibration,
    )


def _classes(confusion: NDArray[np.int64], names: Sequence[str]) -> tuple[ClassRow, ...]:
    columns = [column.tolist() for column in class_scores(confusion)]
    return tuple(ClassRow(label, names[label], *row) for label, row in enumerate(zip(*columns, strict=True)))


def _confusions(confusion: NDArray[np.int64], names: Sequence[str]) -> tuple[Confusion, ...]:
    support = confusion.sum(1).tolist()
    return tuple(
        Confusion(true, names[true], taken, names[taken], records, support[true])
        for true, taken, records in strongest_confusions(confusion, CONFUSIONS)
    )


def _record(predictions: Predictions, position: int, names: Sequence[str], other_than_label: bool = False) -> Record:
    assert predictions.labels is not None
    row, label = predictions.probabilities[position], int(predictions.labels[position])
    candidates = row.copy()
    if other_than_label:
        candidates[label] = -1
    other = int(candidates.argmax())
    identity = str(predictions.ids[position])
    return Record(identity, label, names[label], float(row[label]), other, names[other], float(row[other]))
