"""The reliability diagram: how often the top class is right against its probability, before and after temperature."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from lightning_flowers.evaluation.calibration import Reliability, expected_calibration_error
from lightning_flowers.report.style import BLUE, GREY, INK, ORANGE, add_legend, dress, head, new_figure

_WIDTH = 0.94  # of a bin, for its bar


def draw_reliability(before: Reliability, after: Reliability, narrow: bool = False) -> Figure:
    """Draw accuracy by confidence as bars against the diagonal, of probabilities as they are and with the temperature.

    The gap between a bar's accuracy and its confidence is hatched: a bar under the diagonal is of records that the
    model is too sure of, one over it of those it is not sure enough of. Below stands how many records a bar has.

    Args:
        before, after: of as many bins of equal width over 0..1 as each has.
        narrow: for a phone, the one under the other.
    """
    figure = new_figure(4.6, 9.4) if narrow else new_figure(10, 5.6)
    top, bottom = _lay_out(figure, narrow)
    columns = {"probabilities as they are": before, "with the temperature": after}
    for accuracy, records, (title, found) in zip(top, bottom, columns.items(), strict=True):
        _draw_bars(accuracy, found)
        _draw_counts(records, found)
        ece = expected_calibration_error(found)
        head(accuracy, title, f"{'ECE' if narrow else 'expected calibration error'} {ece:.4f}")
    _label(top, bottom)
    add_legend(figure, top[0].get_legend_handles_labels()[0], (0.99, 0.995), 2 if narrow else 0)
    return figure


def _lay_out(figure: Figure, narrow: bool) -> tuple[list[Axes], list[Axes]]:
    """Axes for the accuracies, and for the records under them."""
    if not narrow:
        top, bottom = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3.2, 1))
        figure.subplots_adjust(left=0.075, right=0.97, bottom=0.09, top=0.86, hspace=0.12, wspace=0.1)
        return list(top), list(bottom)
    axes = figure.subplots(4, 1, sharex=True, height_ratios=(3.2, 1, 3.2, 1))
    figure.subplots_adjust(left=0.15, right=0.94, bottom=0.05, top=0.92, hspace=0.25)
    return list(axes[::2]), list(axes[1::2])


def _middles(found: Reliability) -> NDArray[np.float64]:
    bins = len(found.count)
    return (np.arange(bins) + 0.5) / bins


def _draw_bars(axes: Axes, found: Reliability) -> None:
    filled = found.count > 0
    middle, style = _middles(found)[filled], dict[str, Any](width=_WIDTH / len(found.count), linewidth=0)
    accuracy, confidence = found.accuracy[filled], found.confidence[filled]
    axes.bar(middle, accuracy, color=BLUE, label="accuracy", **style)
    gap = {"facecolor": (0, 0, 0, 0), "edgecolor": ORANGE, "hatch": "////", "linewidth": 0.8}
    axes.bar(middle, confidence - accuracy, bottom=accuracy, label="gap to the confidence", **style | gap)
    axes.plot((0, 1), (0, 1), color=INK, linestyle="--", linewidth=1, alpha=0.7, label="as right as it is sure")


def _draw_counts(axes: Axes, found: Reliability) -> None:
    share = found.count / max(int(found.count.sum()), 1)
    axes.bar(_middles(found), share, width=_WIDTH / len(found.count), color=GREY, linewidth=0)


def _label(top: Sequence[Axes], bottom: Sequence[Axes]) -> None:
    for axes in (*top, *bottom):
        dress(axes)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for axes in bottom:
        axes.set_xlabel("confidence: probability of the top class", fontsize=8)
    for axes in top:
        axes.set(xlim=(0, 1), ylim=(0, 1))
    top[0].set_ylabel("accuracy", fontsize=8)
    bottom[0].set_ylabel("of all records", fontsize=8)
