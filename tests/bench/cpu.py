"""CPU time and memory as Linux counts them: of a process with its children, and of the cores that the bench may use."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_WINDOW = 0.25  # seconds over which quiet is judged


def cores() -> set[int]:
    """The cores that this process, and all that it starts, may run on."""
    return os.sched_getaffinity(0)


def busy_seconds() -> float:
    """CPU seconds that these cores have spent since boot, on whatever it was, other guests of the host included."""
    wanted = {f"cpu{core}" for core in cores()}
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    user_nice_system_irqs_steal = (1, 2, 3, 6, 7, 8)
    return sum(int(line[at]) for line in lines if line[0] in wanted for at in user_nice_system_irqs_steal) / _TICKS


def tree_seconds(root: int) -> float:
    """CPU seconds of a process and of all that it started, also of those that have ended."""
    return sum(sum(map(int, fields[11:15])) for _, fields in _tree(root)) / _TICKS


def tree_bytes(root: int) -> int:
    """Memory of a process and of all that it started; pages that they share count once."""
    return sum(_proportional_bytes(pid) for pid, _ in _tree(root))


def wait_until_quiet(limit: float, patience: float) -> bool:
    """Wait until less than `limit` cores are busy, for `patience` seconds at most; whether they are."""
    deadline = time.perf_counter() + patience
    while time.perf_counter() < deadline:
        start, busy = time.perf_counter(), busy_seconds()
        time.sleep(_WINDOW)
        if (busy_seconds() - busy) / (time.perf_counter() - start) < limit:
            return True
    return False


def model() -> str:
    """What the processor calls itself."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _tree(root: int) -> Iterator[tuple[int, list[str]]]:
    processes = dict(_processes())
    children: dict[int, list[int]] = {}
    for pid, fields in processes.items():
        children.setdefault(int(fields[1]), []).append(pid)
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        if pid in processes:
            yield pid, processes[pid]


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Each process with the fields of its stat from the third on: its name, the second, may hold spaces."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:  # it has ended meanwhile
                continue
            yield int(folder.name), stat.rpartition(")")[2].split()
