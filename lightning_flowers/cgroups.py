"""The control groups that this process is in, and the CPU cores that they leave it."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUP, GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def control_groups(controller: str, cgroup: Path = CGROUP, groups: Path = GROUPS) -> Iterator[Path]:
    """Folders of the process's group and of those around it, whether or not they are there.

    A container may see its own group as the root, whatever its path: of a path, those ends that exist count.

    Args:
        controller: of version 1, which has a folder of its own; empty for version 2.
    """
    lines = [line.split(":", 2) for line in groups.read_text().splitlines()] if groups.is_file() else []
    path = next((path for _, kinds, path in lines if controller in kinds.split(",")), "/")
    own = Path(*Path(path).parts[1:])
    for group in (own, *own.parents) if own.parts else (own,):
        yield cgroup / controller / group


def cpu_count() -> int:
    """CPU cores that this process may use: of the machine's, and of what its container grants."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, cpu_quota() or cores)


def cpu_quota(cgroup: Path = CGROUP, groups: Path = GROUPS) -> int | None:
    """CPU cores' worth of time that a container or control group may take, rounded up; None if all there is.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files.
    """
    quotas = [_read(folder / "cpu.max") for folder in control_groups("", cgroup, groups)]
    for folder in control_groups("cpu", cgroup, groups):
        quotas.append(_read(folder / "cpu.cfs_quota_us") + _read(folder / "cpu.cfs_period_us"))
    cores = [math.ceil(int(quota) / int(period)) for quota, period in filter(_is_limit, quotas)]
    return min(cores, default=None)


def _read(path: Path) -> list[str]:
    return path.read_text().split() if path.is_file() else []


def _is_limit(values: list[str]) -> bool:
    """Whether a quota and its period are there; `max` or -1 is none."""
    return len(values) == 2 and values[0].isdecimal() and int(values[0]) > 0 and int(values[1]) > 0
