"""What the commands print: lines, tables and bars."""

import sys
from collections.abc import Sequence

from tqdm import tqdm


def say(text: str = "") -> None:
    """Print a line (or lines) of a command's answer."""
    sys.stdout.write(f"{text}\n")


def table(header: Sequence[str], rows: Sequence[Sequence[object]], indent: str = "") -> str:
    """Rows under a header, columns aligned: numbers to the right, all else to the left."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numeric = [all(isinstance(row[column], int) for row in rows) for column in range(len(header))]
    return "\n".join(
        indent
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


def bar(total: int, what: str, unit: str) -> tqdm:
    """A progress bar on stderr, shown only on a terminal."""
    return tqdm(total=total, desc=what, unit=unit, disable=None, leave=False)


def megabytes(count: int) -> str:
    """A number of bytes, for people."""
    return f"{count / 1e6:,.1f} MB"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
