"""Why torch_xla compiled each graph: it writes that to a file if it is asked to before it is imported.

(https://docs.pytorch.org/xla/release/r2.9/learn/troubleshoot.html, "Compilation & Execution Analysis")
"""

import atexit
import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

_FILE = "PT_XLA_DEBUG_FILE"
_FRAME = re.compile(r"^Compilation Analysis:   (?P<frame>\S+ \(.+:\d+\))$", re.MULTILINE)
_CAUSE = re.compile(r"^Compilation Analysis: Compilation Cause\nCompilation Analysis:   (?P<cause>.+)$", re.MULTILINE)
# What stands between torch_xla and whoever caused it.
_BETWEEN = re.compile(r"/(torch|torch_xla)/|/typing_extensions\.py|/hardware/xla/runtime\.py|^(_and_sync|replicated?) ")


class Cause(NamedTuple):
    """Why a graph was compiled, in torch_xla's words, and the innermost line of Python outside of torch."""

    why: str
    where: str


def record() -> None:
    """Have causes written. Before torch_xla is imported."""
    if _FILE not in os.environ:
        file, path = tempfile.mkstemp(prefix="lightning_flowers_xla_", suffix=".txt")
        os.close(file)
        atexit.register(Path(path).unlink, missing_ok=True)
        os.environ[_FILE] = path
    os.environ.setdefault("PT_XLA_DEBUG_LEVEL", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # XLA tells at each graph that its partitioner will be replaced
    os.environ.setdefault("PT_XLA_DEBUG_MAX_FRAME", "64")


def causes() -> list[Cause]:
    """Of each graph that was compiled since `record`, in order; empty if nothing was recorded."""
    path = Path(os.environ.get(_FILE, ""))
    return parse(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else []


def parse(text: str) -> list[Cause]:
    """Read what torch_xla wrote."""
    found = []
    for analysis in text.split("Post Compilation Analysis: " + "=" * 80)[::2]:
        cause = _CAUSE.search(analysis)
        if cause:
            frames = _FRAME.findall(analysis)
            outside = [frame for frame in frames if not _BETWEEN.search(frame)]
            found.append(Cause(cause["cause"], next(iter(outside or frames), "an unknown line")))
    return found
