"""The picture of the comparison: how good a run is against what an epoch takes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from lightning_flowers.compare.groups import Group
from lightning_flowers.compare.rows import Row

# Accuracy, and not macro F1: the study has no other score.
_X, _Y = "seconds_per_epoch", "val_accuracy"
_MARKERS = "osv^DPX<>"
_FAR = 5  # times the fastest epoch: from there on seconds are shown on a log scale


def drawable(groups: Sequence[Group]) -> list[Row]:
    """The rows that have accuracy and seconds per epoch; those of the study once each."""
    rows = [row for group in groups for row in group.rows if row.mean(_X) and row.mean(_Y) is not None]
    study = {row.model: row for row in sorted(rows, key=lambda row: row.comparable) if row.of_study}
    return [row for row in rows if not row.of_study or study[row.model] is row]


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Draw accuracy on val against seconds per epoch, a point for each row, and write it as PNG.

    Each backbone has its colour. Rows of the first table are filled, others hollow; the study's are stars.
    """
    picture = Picture(figsize=(9, max(4.5, 1.5 + 0.42 * len(rows))), dpi=110, layout="constrained")
    axes = picture.subplots()
    colours = {name: number for number, name in enumerate(dict.fromkeys(row.key for row in rows))}
    drawn: Counter[str | None] = Counter()
    for row in rows:
        marker = _MARKERS[drawn[row.key] % len(_MARKERS)] if not row.of_study else "*"
        drawn[row.key] += not row.of_study
        _draw_point(axes, row, colormaps["tab10"](colours[row.key] % 10), marker)
    _label_axes(axes, [row.figures[_X].mean for row in rows])
    if rows:
        for text in picture.legend(loc="outside right upper", frameon=False, fontsize=8).get_texts():
            text.set_parse_math(False)  # a $ in a name is a $
    picture.savefig(path, format="png")


def _draw_point(axes: Any, row: Row, colour: Any, marker: str) -> None:
    x, y = row.figures[_X], row.figures[_Y]
    style = {"marker": marker, "markersize": 12 if marker == "*" else 8, "linestyle": "none", "color": colour}
    axes.errorbar(
        x.mean,
        y.mean,
        xerr=x.std,
        yerr=y.std,
        **style,
        markerfacecolor=colour if row.comparable else "none",
        label=f"{row.model}, {row.run.data.size} px\n{row.hardware}" + ("" if row.comparable else "\nnot comparable"),
    )


def _label_axes(axes: Any, seconds: Sequence[float]) -> None:
    if seconds and max(seconds) > _FAR * min(seconds):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="seconds per epoch, without the first", ylabel="accuracy on val")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
