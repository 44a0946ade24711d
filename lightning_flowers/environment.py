"""What notebooks, clusters and terminals leave in the environment, made harmless before anything is imported."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, TextIO

from lightning_flowers.secrets import Redacting

# Loggers that announce what stands in our own lines, or warn of what they do without.
_QUIET = ("pytorch_lightning", "lightning_fabric", "matplotlib")


def prepare_process() -> None:
    """Of a process that is the program's own: draw to files only, whatever a notebook draws to, and print what a
    terminal cannot show as escapes.

    Processes that are started later are given the same.
    """
    os.environ["MPLBACKEND"] = "agg"
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)  # a notebook's streams have none, and take everything
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@contextmanager
def as_found() -> Iterator[None]:
    """Let a command quiet others, and leave variables, warnings, loggers and Ctrl-C as they were found."""
    interrupt = signal.getsignal(signal.SIGINT)
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
        if interrupt is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)  # after one, Lightning ignores all further ones, for life
        last.formatter = formatter
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if "torch_xla" not in sys.modules:  # which goes by what it found first, for life
            for name in os.environ.keys() - variables.keys():
                del os.environ[name]
            os.environ.update(variables)


def shows_bars(stream: TextIO) -> bool:
    """Whether a bar that is drawn over and over is one line there: on a terminal, and as a widget in a notebook's own
    process, but not on the terminal that a notebook's `!` gives its commands, whose output is kept with every bar in
    it."""
    if "ipykernel" in sys.modules:  # this process is the notebook's
        return find_spec("ipywidgets") is not None
    return stream.isatty() and "JPY_PARENT_PID" not in os.environ  # which kernels are started with, and hand on
