"""Where a command writes: never over anything that is there."""

from itertools import count
from pathlib import Path

from lightning_flowers.errors import UserError


def choose_out(given: str | None, default: str) -> Path:
    """The path that `--out` gives, else `default` in the current folder, numbered if that is taken.

    Raises:
        UserError: what `--out` names is there already.
    """
    if given is None:
        return free(Path(default))
    path = Path(given).expanduser()
    if path.exists():
        raise UserError(f"--out={given}: is there already: choose another name, or remove it")
    return path


def free(path: Path) -> Path:
    """`path`, or the first of NAME-2, NAME-3, ... that is not there."""
    numbered = (path if number == 1 else path.with_stem(f"{path.stem}-{number}") for number in count(1))
    return next(candidate for candidate in numbered if not candidate.exists())
