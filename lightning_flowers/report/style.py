"""What the figures of a report share: white paper, one ink, colours that also read where a dark page inverts them."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_flowers.files import atomic_file

INK = "#1f2328"  # of all text, ticks, rules and spines
# Of middling lightness: each stands out from white at least 3:1.
BLUE, ORANGE, GREY = "#3f87d0", "#d4691e", "#868e96"
TRAIN, VAL = BLUE, ORANGE
DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure.

    Args:
        width, height: in inches.
    """
    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def dress(axes: Axes) -> None:
    """Give axes the ink and a faint grid, and take their box away."""
    axes.tick_params(which="both", colors=INK, labelsize=8)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(INK)
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)


def head(axes: Axes, title: str, note: str = "") -> None:
    """Write over axes what they show, and at the right end the figure that matters most."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.set_title(note, loc="right", fontsize=9, color=INK)


def add_legend(figure: Figure, handles: Sequence[Artist], at: tuple[float, float], columns: int = 0) -> None:
    """Say what lines, bars or patches are, by their labels.

    Args:
        at: where the legend's upper right corner stands, as shares of the figure.
        columns: how many stand beside each other. Default: all.
    """
    legend = figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=at,
        ncols=columns or max(len(handles), 1),
        frameon=False,
        fontsize=9,
        borderaxespad=0.2,
    )
    for text in legend.get_texts():
        text.set_color(INK)


def shorten(name: str, most: int) -> str:
    """A name of at most so many characters; what was cut off leaves a mark."""
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


def distinct(names: Sequence[str], most: int) -> list[str]:
    """Names of at most so many characters; those that cutting would make alike keep their ends."""
    short = [shorten(name, most) for name in names]
    alike = {name for name in short if short.count(name) > 1}
    return ["…" + name[1 - most :] if cut in alike else cut for name, cut in zip(names, short, strict=True)]


def to_png(figure: Figure) -> bytes:
    """A figure as PNG. Letters that matplotlib's font lacks, as of Chinese, are boxes."""
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(png, format="png")
    return png.getvalue()


def save(png: bytes, path: Path) -> None:
    """Write it in place of an older one."""
    with atomic_file(path) as part:
        part.write_bytes(png)
