"""What notebooks, clusters and terminals leave in the environment, made harmless before anything is imported."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from lightning_flowers.errors import UserError

# Lightning reads them as numbers, some of them while it is imported.
_NUMBERS = (
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "MASTER_PORT",
    "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES",
    "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_SIZE",
)  # fmt: skip


def settle() -> None:
    """Draw to files only, whatever a notebook draws to, and print what a terminal cannot show as escapes.

    Processes that are started later are given the same.

    Raises:
        UserError: a variable that places the process among others is no number, or there is no home folder at all.
    """
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # of a home that cannot be written: it does without
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)  # a notebook's streams have none, and take everything
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        Path.home()
    except RuntimeError as error:
        raise UserError("HOME: not set, and this user has no home folder: set it to one that can be written") from error
    for name in _NUMBERS:
        value = os.environ.get(name, "0")
        if not (value.isascii() and value.isdecimal()):
            raise UserError(f"{name}={value}: a launcher's variable that is no number, left over: unset {name}")
