"""Pictures in rows and columns, each under its title."""

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_INCHES = 1.9  # side of a picture
_LINE = 0.15  # height of a line of its title
_DPI = 120
_WIDTH, _LINES = 25, 2  # characters of a title's line, and lines that one of its own may take


class Shown(NamedTuple):
    """A picture, uint8 (size, size, 3), and what stands over it, in one line or more."""

    picture: NDArray[np.uint8]
    title: str


def draw_grid(shown: Sequence[Shown], columns: int) -> Figure:
    """Draw the pictures.

    Args:
        shown: at least one.
        columns: pictures beside each other.
    """
    columns = min(columns, len(shown))
    titles = [_wrap(one.title) for one in shown]
    above = 0.12 + _LINE * (1 + max(title.count("\n") for title in titles))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(columns * _INCHES, rows * (_INCHES + above)), dpi=_DPI, layout="constrained")
    for number, (one, title) in enumerate(zip(shown, titles, strict=True), start=1):
        axes = figure.add_subplot(rows, columns, number)
        axes.imshow(one.picture)
        axes.set_axis_off()
        axes.set_title(title, fontsize=8, pad=3, parse_math=False)
    return figure


def _wrap(title: str) -> str:
    lines = title.split("\n")
    return "\n".join(fill(line, _WIDTH, max_lines=_LINES, placeholder="...") for line in lines)
