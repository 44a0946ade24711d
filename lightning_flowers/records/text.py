"""What the commands print and write: lines, bars, and files that are never written over others."""

import sys
from itertools import count
from pathlib import Path

from tqdm import tqdm

from lightning_flowers.errors import UserError


def say(text: str = "") -> None:
    """Print a line (or lines) of a command's answer."""
    sys.stdout.write(f"{text}\n")


def choose_out(given: str | None, default: str) -> Path:
    """The path that `--out` gives, else `default` in the current folder, numbered if that is taken.

    Raises:
        UserError: what `--out` names is there already.
    """
    if given is None:
        path = Path(default)
        numbered = (path if number == 1 else path.with_stem(f"{path.stem}-{number}") for number in count(1))
        return next(candidate for candidate in numbered if not candidate.exists())
    path = Path(given).expanduser()
    if path.exists():
        raise UserError(f"--out={given}: is there already: choose another name, or remove it")
    return path


def bar(total: int, what: str, unit: str) -> tqdm:
    """A progress bar on stderr, shown only on a terminal."""
    return tqdm(total=total, desc=what, unit=unit, disable=None, leave=False)
