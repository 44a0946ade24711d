"""How much memory and disk a run may still take."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from lightning_flowers.cgroups import CGROUP, GROUPS, control_groups

SHARED_MEMORY = Path(os.environ.get("LIGHTNING_FLOWERS_SHARED_MEMORY", "/dev/shm"))  # a tmpfs
MARGIN = 0.1  # of all memory stays free, for what training takes later; and of what is free on a disk


# Of each version of control groups: its folder, the files with limits, that with what is used, and the caches therein.
_VERSIONS = (
    ("", ("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file")),
    ("memory", ("memory.limit_in_bytes",), "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
)


def free_memory(cgroup: Path = CGROUP, groups: Path = GROUPS) -> int:
    """Bytes of memory that this process may take and still leave a margin: of the machine's, and of each limit of a
    container or control group that it is in.

    Page cache counts as free in all: the kernel gives it up. What lies in /dev/shm does not.
    """
    machine = psutil.virtual_memory()
    limits = [limit for limit in _groups(cgroup, groups) if limit[0] < machine.total]  # else it is no limit
    rooms = [(machine.total, machine.available), *limits]
    return max(0, min(int(free - MARGIN * all_of_it) for all_of_it, free in rooms))


def free_disk(folder: Path) -> int:
    """Bytes that may still be written under `folder`, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return int(shutil.disk_usage(folder).free * (1 - MARGIN))


def readable(size: float) -> str:
    """A size in bytes for people, in GB or MB of powers of ten."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _groups(cgroup: Path, groups: Path) -> Iterator[tuple[int, int]]:
    """Of each limit of the process's control groups and of those around them, all its bytes and those still to be had.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files.
    """
    for name, limits, usage, caches in _VERSIONS:
        for folder in control_groups(name, cgroup, groups):
            used = _number(folder / usage)
            for limit in (_number(folder / file) for file in limits):
                if limit is not None and used is not None:
                    yield limit, limit - used + _sum(folder / "memory.stat", caches)


def _number(path: Path) -> int | None:
    text = path.read_text().strip() if path.is_file() else "max"
    return None if text == "max" else int(text)


def _sum(path: Path, names: tuple[str, ...]) -> int:
    lines = [line.split() for line in path.read_text().splitlines()] if path.is_file() else []
    return sum(int(value) for name, value in lines if name in names)
