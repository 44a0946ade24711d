"""How much memory and disk a run may still take."""

import os
import shutil
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
MARGIN = 0.1  # of what is free stays free
_CGROUP = Path("/sys/fs/cgroup")


def free_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int:
    """Bytes of memory that this process may still take: of the machine, and of its container's limit.

    Page cache counts as free in both: the kernel gives it up.
    """
    limits = [_available(meminfo), *_container(cgroup)]
    return max(0, int(min(limits) * (1 - MARGIN)))


def free_disk(folder: Path) -> int:
    """Bytes that may still be written under `folder`, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return int(shutil.disk_usage(folder).free * (1 - MARGIN))


def readable(size: float) -> str:
    """A size in bytes for people, in GB or MB of powers of ten."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _available(meminfo: Path) -> int:
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # not Linux: no better figure is at hand


def _container(cgroup: Path) -> list[int]:
    """What the control group's limit leaves (version 2, else 1), where there is one.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files.
    """
    for limit, used, inactive in (
        (cgroup / "memory.max", cgroup / "memory.current", "inactive_file"),
        (cgroup / "memory/memory.limit_in_bytes", cgroup / "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        if limit.is_file() and used.is_file() and (text := limit.read_text().strip()) != "max":
            return [int(text) - int(used.read_text()) + _statistic(used.parent / "memory.stat", inactive)]
    return []


def _statistic(path: Path, name: str) -> int:
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), 0)
