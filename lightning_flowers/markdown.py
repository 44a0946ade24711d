"""Tables as Markdown and for a terminal, and what stands in their cells."""

import math
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from textwrap import wrap

NOTHING = "-"
TERMINAL = 100  # characters of a line


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> str:
    """Cells under a header, in columns of one width.

    Args:
        right: headings of the columns whose cells stand to the right, as numbers do.
    """
    cells = [[_escape(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    to_right = [name in right for name in header]
    lines = [[_pad(*one) for one in zip(row, widths, to_right, strict=True)] for row in cells]
    rule = ["-" * (width - 1) + (":" if ends else "-") for width, ends in zip(widths, to_right, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str], most: float = TERMINAL
) -> str:
    """The same for a terminal: cells are wrapped, the widest first, so that no line is over `most` characters."""
    told = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (header, *told)) for column in range(len(header))]
    while sum(widths) + 2 * (len(widths) - 1) > most:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in (header, ["-" * width for width in widths], *told):
        wrapped = [wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            cells = zip(parts, widths, (name in right for name in header), strict=True)
            lines.append("  ".join(_pad(*cell) for cell in cells).rstrip())
    return "\n".join(lines)


def number(value: float | None, decimals: int = 0) -> str:
    """A number for people; a dash for what is not there or is no number."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.{decimals}f}"


def join(parts: Iterable[object]) -> str:
    """Parts with commas between; a dash for none."""
    return ", ".join(map(str, parts)) or NOTHING


def _escape(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())


def _pad(cell: str, width: int, to_right: bool) -> str:
    return cell.rjust(width) if to_right else cell.ljust(width)
