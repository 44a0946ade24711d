"""What notebooks, clusters and terminals leave in the environment, made harmless before anything is imported."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from lightning_flowers.errors import UserError
from lightning_flowers.secrets import Redacting

# Lightning reads them as numbers, some of them while it is imported.
_NUMBERS = (
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "MASTER_PORT",
    "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES",
    "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_SIZE",
)  # fmt: skip
# Loggers that announce what stands in our own lines, or warn of what they do without.
_QUIET = ("pytorch_lightning", "lightning_fabric", "matplotlib")


def prepare_process() -> None:
    """Of a process that is the program's own: draw to files only, whatever a notebook draws to, print what a terminal
    cannot show as escapes, and let no variable turn warnings into errors.

    Processes that are started later are given the same.
    """
    os.environ["MPLBACKEND"] = "agg"
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)  # a notebook's streams have none, and take everything
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    asked = os.environ.get("PYTHONWARNINGS", "")
    if "error" in asked:  # libraries warn of what only they can mend, while they are imported too
        os.environ.pop("PYTHONWARNINGS")
        warnings.simplefilter("default")
        sys.stderr.write(f"warning: PYTHONWARNINGS={asked}: set aside: warnings stay warnings\n")


@contextmanager
def as_found() -> Iterator[None]:
    """Let a command quiet others, and leave the process's variables, warnings and loggers as they were found."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    variables, levels = dict(os.environ), [logger.level for logger in loggers]
    last = logging.lastResort or logging.StreamHandler()
    formatter = last.formatter
    last.setFormatter(Redacting())
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        last.formatter = formatter
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if "torch_xla" not in sys.modules:  # which goes by what it found first, for life
            for name in os.environ.keys() - variables.keys():
                del os.environ[name]
            os.environ.update(variables)


def check() -> None:
    """Fail on what would come out later as a traceback, in an import.

    Raises:
        UserError: a variable that places the process among others is no number, there is no home folder at all, or
            matplotlib's settings cannot be read.
    """
    try:
        Path.home()
    except RuntimeError as error:
        raise UserError("HOME: not set, and this user has no home folder: set it to one that can be written") from error
    for name in _NUMBERS:
        value = os.environ.get(name, "0")
        if not (value.isascii() and value.isdecimal()):
            raise UserError(f"{name}={value}: a launcher's variable that is no number, left over: unset {name}")
    _check_matplotlibrc()


def shows_bars(stream: TextIO) -> bool:
    """Whether a bar that is drawn over and over is one line there: on a terminal, and as a widget in a notebook's own
    process, but not on the terminal that a notebook's `!` gives its commands, whose output is kept with every bar in
    it."""
    if "ipykernel" in sys.modules:  # this process is the notebook's
        return find_spec("ipywidgets") is not None
    return stream.isatty() and "JPY_PARENT_PID" not in os.environ  # which kernels are started with, and hand on


def _check_matplotlibrc() -> None:
    """Matplotlib reads the first that it finds while it is imported, which a run does when it has trained."""
    given = Path(os.environ.get("MATPLOTLIBRC", "."))
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "matplotlib"
    folders = (Path(), given, Path(os.environ.get("MPLCONFIGDIR") or config))
    files = (given if folder is given and given.is_file() else folder / "matplotlibrc" for folder in folders)
    found = next((file for file in files if file.is_file()), None)
    try:
        if found:
            found.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserError(f"{found}: matplotlib's settings cannot be read: {why}: mend or remove it") from error
