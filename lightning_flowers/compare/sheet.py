"""The comparison of runs as CSV, numbers in full."""

import csv
import io
from collections.abc import Sequence

from lightning_flowers.compare.comparison import TRAINED
from lightning_flowers.compare.groups import Group, describe
from lightning_flowers.compare.rows import FIGURES, Row

_GROUP = ("group", "data", "differences")
_ROW = ("source", "model", "timm_name", "runs", "seeds", "parameters", "depth", "trained", "size", "epochs")
_FIGURES = tuple(column for name in FIGURES for column in (name, f"{name}_std"))


def to_csv(groups: Sequence[Group]) -> str:
    """One line for each row of the tables; a figure that is not there is empty.

    Columns: which group of comparable runs (from 1), its data, what differs from group 1; `ours` or `study`; the row.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_GROUP, *_ROW, *_FIGURES, "hardware", "marks"])
    for number, group in enumerate(groups, start=1):
        of_group = (number, describe(group.conditions), "; ".join(group.differences))
        writer.writerows([*of_group, *_cells(row)] for row in group.rows)
    return text.getvalue()


def _cells(row: Row) -> list[object]:
    runs, seeds = ("; ".join(map(str, some)) for some in ([run.path for run in row.runs], row.seeds))
    names = ("ours" if row.runs else "study", row.model, row.timm_name, runs, seeds)
    figures = [value for name in FIGURES for value in row.figures.get(name, (None, None))]
    return [
        *names,
        row.parameters,
        row.depth,
        TRAINED[row.trainable],
        row.size,
        row.epochs,
        *figures,
        row.hardware,
        "; ".join(row.marks),
    ]
