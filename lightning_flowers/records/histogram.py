"""The picture of how many records each class has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_ROWS = 52  # bars that stand below each other
_COLOURS = {"train": "#3b6fb6", "val": "#f2a541", "test": "#9b9b9b"}


def draw_histogram(path: Path, classes: Sequence[str], counts: Mapping[str, NDArray[np.int64]], title: str) -> None:
    """Draw the classes' counts as bars, the largest class first, and write them as PNG.

    Args:
        counts: of each split, int64 (classes,).
    """
    order = np.argsort(-sum(counts.values(), np.zeros(len(classes), np.int64)), kind="stable")
    columns = -(-len(order) // _ROWS)
    rows = -(-len(order) // columns)
    figure = Figure(figsize=(7 * columns, 0.19 * rows + 1.2), dpi=130, layout="constrained")
    longest = max(int(sum(counts.values(), np.zeros(len(classes), np.int64)).max()), 1)
    for column, axes in enumerate(figure.subplots(1, columns, squeeze=False)[0]):
        some = order[column * rows : (column + 1) * rows]
        _draw_bars(
            axes,
            [str(classes[label]) for label in some.tolist()],
            {name: count[some] for name, count in counts.items()},
        )
        axes.set(ylim=(rows - 0.4, -0.6), xlim=(0, longest * 1.12))
    figure.axes[0].legend(loc="lower right", frameon=False)
    figure.suptitle(title, parse_math=False)
    figure.savefig(path, format="png")


def _draw_bars(axes: Any, names: Sequence[str], counts: Mapping[str, NDArray[np.int64]]) -> None:
    left = np.zeros(len(names), np.int64)
    for split, count in counts.items():
        axes.barh(range(len(names)), count, left=left, height=0.75, color=_COLOURS[split], label=split)
        left = left + count
    for row, total in enumerate(left.tolist()):
        axes.text(total, row, f" {total:,}", va="center", fontsize=7)
    axes.set_yticks(range(len(names)), [shorten(name, 36, placeholder="...") for name in names], fontsize=8)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)  # a $ in a name is a $
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("records")
