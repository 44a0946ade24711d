"""What the commands print: lines and bars."""

import sys

from tqdm import tqdm


def say(text: str = "") -> None:
    """Print a line (or lines) of a command's answer."""
    sys.stdout.write(f"{text}\n")


def bar(total: int, what: str, unit: str) -> tqdm:
    """A progress bar on stderr, shown only on a terminal."""
    return tqdm(total=total, desc=what, unit=unit, disable=None, leave=False)
