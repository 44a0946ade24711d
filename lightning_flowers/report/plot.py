"""The picture of the comparison: how good a run is against what an epoch takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure as Picture

from lightning_flowers.report.groups import Group
from lightning_flowers.report.rows import Row

# Accuracy, and not macro F1: the study has no other score.
_X, _Y = "seconds_per_epoch", "val_accuracy"
_MARKERS = "osv^PX"
_FAR = 5  # times the fastest epoch: from there on seconds are shown on a log scale


def points_of(groups: Sequence[Group]) -> list[tuple[Row, bool]]:
    """The rows that have accuracy and seconds per epoch, and whether they stand in the first group."""
    found = [(row, not group.differences) for group in groups for row in group.rows]
    return [(row, first) for row, first in found if row.mean(_X) and row.mean(_Y) is not None]


def draw(path: Path, groups: Sequence[Group]) -> None:
    """Draw accuracy on val against seconds per epoch, a point for each row, and write it as PNG.

    Points of the first group are filled, those that cannot be compared with it hollow, the study's are stars.
    """
    points = points_of(groups)
    picture = Picture(figsize=(9, max(4.5, 1.5 + 0.3 * len(points))), dpi=110, layout="constrained")
    axes = picture.subplots()
    for number, (row, comparable) in enumerate(points):
        _draw_point(axes, row, comparable, number)
    seconds = [row.mean(_X) or 0 for row, _ in points]
    if seconds and max(seconds) > _FAR * min(seconds):
        axes.set_xscale("log")
    axes.set(xlabel="seconds per epoch, without the first", ylabel="accuracy on val")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if points:
        legend = picture.legend(loc="outside right upper", frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)  # a $ in a name is a $
    picture.savefig(path, format="png")


def _draw_point(axes: Any, row: Row, comparable: bool, number: int) -> None:
    colour = colormaps["tab10"](number % 10)
    x, y = row.figures[_X], row.figures[_Y]
    axes.errorbar(
        x.mean,
        y.mean,
        xerr=x.std,
        yerr=y.std,
        linestyle="none",
        marker=_MARKERS[number // 10 % len(_MARKERS)] if row.runs else "*",
        markersize=8 if row.runs else 12,
        color=colour,
        markerfacecolor=colour if comparable else "none",
        label=_label(row, comparable),
    )


def _label(row: Row, comparable: bool) -> str:
    note = "" if comparable else "\nnot comparable"
    return f"{row.model}, {row.size} px\n{row.hardware}{note}"
