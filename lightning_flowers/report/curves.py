"""The history of a run as curves: loss, accuracy, macro F1 and learning rate by epoch."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from lightning_flowers.report.style import GREY, INK, TRAIN, VAL, add_legend, dress, head, new_figure
from lightning_flowers.run.epochs import Epoch, best_epoch

_COLOURS = {"train": TRAIN, "val": VAL}
# Of each panel its title.
_SCORES = {"loss": "loss", "accuracy": "accuracy", "macro_f1": "macro F1"}
_FEW = 40  # epochs: each has a dot


def draw_curves(history: Sequence[Epoch], narrow: bool = False) -> Figure:
    """Draw a run's history, train and val of each score in one panel, with the best epoch marked.

    Macro F1 is over all classes, as the competition has it; where that over the classes that are present is another,
    it is dashed. A score that an epoch lacks is passed over; one that is not finite leaves a gap.

    Args:
        history: the first epoch first.
        narrow: for a phone, the panels under each other.
    """
    figure = new_figure(4.6, 10.5) if narrow else new_figure(10, 6.4)
    *panels, rate = figure.subplots(*((4, 1) if narrow else (2, 2))).flat
    sides = (0.12, 0.045, 0.98, 0.93) if narrow else (0.065, 0.075, 0.985, 0.88)
    figure.subplots_adjust(*sides, wspace=0.16, hspace=0.36)
    best = best_epoch(history)
    for axes, (score, title) in zip(panels, _SCORES.items(), strict=True):
        _draw_score(axes, history, score)
        head(axes, title, _mark(axes, best, score) if best else "")
        _finish(axes, history)
    _draw_line(rate, history, "learning_rate", color=GREY)
    head(rate, "learning rate")
    _finish(rate, history)
    add_legend(figure, _named(panels), (0.99, 0.995), 2 if narrow else 0)
    return figure


def _draw_score(axes: Axes, history: Sequence[Epoch], score: str) -> None:
    for split, colour in _COLOURS.items():
        _draw_line(axes, history, f"{split}_{score}", color=colour, label=split)
        if score == "macro_f1" and _differs(history, split):
            label = f"{split}, over the classes present"
            _draw_line(axes, history, f"{split}_{score}_present", color=colour, label=label, linestyle="--", alpha=0.7)


def _draw_line(axes: Axes, history: Sequence[Epoch], name: str, **style: Any) -> None:
    points = [(epoch.epoch, value) for epoch in history if (value := getattr(epoch, name)) is not None]
    if points:
        x, values = zip(*points, strict=True)
        y = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(x, y, marker="o" if len(points) <= _FEW else "", markersize=3.5, linewidth=1.6, **style)


def _named(panels: Sequence[Axes]) -> list[Artist]:
    """A line of each name: a panel may lack one that another has."""
    named: dict[str, Artist] = {}
    for axes in panels:
        for line, name in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(name, line)
    return list(named.values())


def _differs(history: Sequence[Epoch], split: str) -> bool:
    pairs = [(getattr(epoch, f"{split}_macro_f1"), getattr(epoch, f"{split}_macro_f1_present")) for epoch in history]
    return any(None not in pair and not math.isclose(*pair) for pair in pairs)


def _finish(axes: Axes, history: Sequence[Epoch]) -> None:
    axes.set_xlabel("epoch", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    dress(axes)
    if history:
        first, last = history[0].epoch, history[-1].epoch
        margin = max(0.5, 0.02 * (last - first))
        axes.set_xlim(first - margin, last + margin)
    if not axes.lines:
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", color=INK, alpha=0.6)


def _mark(axes: Axes, best: Epoch, score: str) -> str:
    """Mark the best epoch, and tell its score."""
    axes.axvline(best.epoch, color=INK, alpha=0.5, linewidth=1, linestyle=":")
    value = getattr(best, f"val_{score}")
    if value is None or not math.isfinite(value):
        return ""
    axes.plot(best.epoch, value, marker="o", markersize=7, markeredgecolor=INK, markerfacecolor=VAL, zorder=3)
    return f"val {value:.4f} in epoch {best.epoch}" + (", the best" if score == "macro_f1" else "")
