"""The CSV files of a report."""

import csv
import io
from collections.abc import Iterable, Sequence

from lightning_flowers.report.findings import ClassRow, Record

_CLASSES = ("class", "name", "precision", "recall", "f1", "support", "predicted")
_SUSPECTS = ("id", "label", "name", "suggested", "suggested_name", "probability", "suggested_probability")


def classes_csv(classes: Iterable[ClassRow]) -> str:
    """The scores of each class, in full precision."""
    return _csv(_CLASSES, classes)


def suspects_csv(suspects: Iterable[Record]) -> str:
    """The records whose label may be wrong: label, the class that it may be instead, and the probability of either."""
    rows = [
        (one.id, one.label, one.name, one.other, one.other_name, one.probability, one.other_probability)
        for one in suspects
    ]
    return _csv(_SUSPECTS, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
