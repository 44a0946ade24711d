"""The confusion matrix as a picture, to be read with a hundred classes: those that are confused stand together."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from lightning_flowers.evaluation.confusion import strongest_confusions
from lightning_flowers.report.style import BLUE, INK, ORANGE, add_legend, distinct, new_figure, shorten

MAX_CLASSES, MAX_NARROW = 200, 16  # classes in one picture, and in one for a phone
_FEW, _MANY = 12, 40  # up to few have numbers on the diagonal too; over many, names on all sides
_NUMBERS = 800  # mistaken cells with a number
_LONGEST, _LONGEST_NARROW = 26, 16  # characters of a name
_MARGIN, _HEAD, _NARROWEST = 0.3, 0.85, 6.5  # inches
_PHONE = 4.6  # inches: the width of the picture for it


def order_classes(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """An order of the classes in which those that are confused stand together.

    Average linkage of the classes, as near as the share of one's records that are taken for the other (mean of both
    directions), and the order of its leaves in which neighbours are nearest (Bar-Joseph et al. 2001). Classes that are
    never confused follow in their own order.

    Args:
        confusion: int64 (classes, classes), rows are the true classes.

    Returns:
        int64 (classes,): each class once.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage  # imported late: it takes its time
    from scipy.spatial.distance import squareform

    wrong = _shares(confusion)
    np.fill_diagonal(wrong, 0)
    nearness = (wrong + wrong.T) / 2
    confused = np.flatnonzero(nearness.any(1))
    if len(confused) < 3:
        order = confused
    else:
        distance = squareform(1 - nearness[np.ix_(confused, confused)], checks=False)
        order = confused[leaves_list(linkage(distance, "average", optimal_ordering=True))]
    return np.concatenate([order, np.setdiff1d(np.arange(len(confusion)), order)]).astype(np.int64)


def draw_confusion(confusion: NDArray[np.int64], class_names: Sequence[str], narrow: bool = False) -> Figure:
    """Draw a confusion matrix, the true classes as rows; a cell's colour is its share of the true class's records.

    The strongest confusions have their number of records in them. Classes without a true or predicted
    record are left out, and over `MAX_CLASSES` those with the fewest mistakes; the subtitle says so.

    Args:
        confusion: int64 (classes, classes), of one record at least.
        narrow: for a phone, at most `MAX_NARROW` classes.
    """
    shown, notes = _choose(confusion, class_names, MAX_NARROW if narrow else MAX_CLASSES)
    order = shown[order_classes(confusion[np.ix_(shown, shown)])]
    longest = _LONGEST_NARROW if narrow else _LONGEST
    cells, names = confusion[np.ix_(order, order)], distinct([class_names[int(label)] for label in order], longest)
    cell = float(np.clip((3 if narrow else 6) / len(order), 0.15, 1))  # inches
    size = min(10.0, 72 * cell * 0.62)  # of the names, in points
    figure, axes = _lay_out(len(order), cell, names, size, _PHONE if narrow else _NARROWEST)
    _draw_cells(axes, cells, _shares(confusion[order])[:, order])
    _draw_names(axes, names, size)
    _draw_numbers(axes, cells, 0.8 * size)
    _draw_head(figure, notes)
    return figure


def _shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each cell's share of its row's records; 0 in a row without any."""
    records = confusion.sum(1, keepdims=True)
    return np.divide(confusion, records, out=np.zeros(confusion.shape), where=records > 0)


def _choose(confusion: NDArray[np.int64], names: Sequence[str], most: int) -> tuple[NDArray[np.int64], list[str]]:
    """The classes to show, in their own order, and what has to be said of the others."""
    seen = confusion.sum(0) + confusion.sum(1)
    shown, empty = np.flatnonzero(seen), np.flatnonzero(seen == 0)
    notes = ["Colours are shares of the true class, numbers are records"]
    if len(shown) > most:
        mistakes = (seen - 2 * np.diag(confusion))[shown]
        notes.append(f"the {most} of {len(shown)} classes with the most mistakes")
        shown = np.sort(shown[np.argsort(-mistakes, kind="stable")[:most]])
    if len(empty):
        listed = ", ".join(shorten(names[int(label)], _LONGEST) for label in empty)
        notes.append(f"{len(empty)} of {len(seen)} classes left out, without a true or a predicted record: {listed}")
    return shown, notes


def _lay_out(classes: int, cell: float, names: Sequence[str], size: float, narrowest: float) -> tuple[Figure, Axes]:
    side, label = classes * cell, max(map(len, names)) * size * 0.62 / 72 + 0.1
    before, after = label + _MARGIN, label if classes > _MANY else 0.1
    width, height = max(before + side + after, narrowest), before + side + after + _HEAD
    figure = new_figure(width, height)
    axes = figure.add_axes((before / width, before / height, side / width, side / height))
    return figure, axes


def _draw_cells(axes: Axes, cells: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    """Colours fade into the paper, whatever that is; a cell that is not empty can be seen however small its share."""
    colours = np.empty((*cells.shape, 4))
    colours[..., :3] = to_rgb(ORANGE)
    colours[np.diag_indices(len(cells))] = (*to_rgb(BLUE), 1)
    colours[..., 3] = np.where(cells > 0, _opacity(shares), 0)
    axes.imshow(colours, interpolation="nearest", aspect="auto")
    edges = np.arange(len(cells) + 1) - 0.5
    axes.hlines(edges, edges[0], edges[-1], color=INK, alpha=0.12, linewidth=0.4)
    axes.vlines(edges, edges[0], edges[-1], color=INK, alpha=0.12, linewidth=0.4)
    axes.spines[:].set_visible(False)


def _opacity(share: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 0.15 + 0.85 * np.sqrt(share)


def _draw_names(axes: Axes, names: Sequence[str], size: float) -> None:
    everywhere = len(names) > _MANY
    axes.tick_params(length=0, pad=2, top=everywhere, labeltop=everywhere, right=everywhere, labelright=everywhere)
    style = {"fontsize": size, "color": INK, "parse_math": False}  # a $ in a name is a $
    axes.set_xticks(range(len(names)), names, rotation=90, **style)
    axes.set_yticks(range(len(names)), names, **style)
    axes.set_xlabel("taken for", fontsize=10, fontweight="bold", color=INK)
    axes.set_ylabel("true class", fontsize=10, fontweight="bold", color=INK)


def _draw_numbers(axes: Axes, cells: NDArray[np.int64], size: float) -> None:
    right = [(label, label, int(cells[label, label])) for label in range(len(cells)) if len(cells) <= _FEW]
    for row, column, records in [*strongest_confusions(cells, _NUMBERS), *(cell for cell in right if cell[2])]:
        axes.text(column, row, f"{records}", ha="center", va="center_baseline", fontsize=size, color=INK)


def _draw_head(figure: Figure, notes: Sequence[str]) -> None:
    width, height = figure.get_size_inches()
    style = {"color": INK, "ha": "left", "va": "top", "parse_math": False}
    if width >= _NARROWEST:  # else the legend needs the room
        figure.text(0.1 / width, 1 - 0.1 / height, "What is taken for what", fontsize=12, fontweight="bold", **style)
    notes = fill("; ".join(notes), int(width * 13), max_lines=3, placeholder=" ...")
    figure.text(0.1 / width, 1 - 0.38 / height, notes, fontsize=9, **style)
    handles = [Patch(facecolor=BLUE, label="right")]
    for share, label in ((0.01, "mistaken: 1%"), (0.1, "10%"), (0.5, "50%")):
        handles.append(Patch(facecolor=ORANGE, alpha=float(_opacity(share)), label=label))
    add_legend(figure, handles, (1, 1))
