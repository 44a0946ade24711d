"""What is free: of the machine, of a container, and of every control group that one lies in."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightning_flowers.data.cache import free_space

GB = 10**9


@pytest.fixture(autouse=True)
def has(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A machine of 100 GB, of which 60, or those given, can be had."""

    def has(available: int) -> None:
        memory = SimpleNamespace(total=100 * GB, available=available * GB)
        monkeypatch.setattr(free_space.psutil, "virtual_memory", lambda: memory)

    has(60)
    return has


class Groups:
    """A tree of control groups."""

    def __init__(self, root: Path) -> None:
        self.root, self.own = root / "groups", root / "own"
        self.root.mkdir()

    def is_in(self, *lines: str) -> None:
        self.own.write_text("".join(f"{line}\n" for line in lines))

    def limit(self, folder: str, limit: str | int, used: int, stat: str = "", name: str = "memory.max") -> None:
        place = self.root / folder
        place.mkdir(parents=True, exist_ok=True)
        old = name == "memory.limit_in_bytes"
        (place / name).write_text(f"{limit}\n")
        (place / ("memory.usage_in_bytes" if old else "memory.current")).write_text(f"{used}\n")
        (place / "memory.stat").write_text(stat)


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return Groups(tmp_path)


def free(groups: Groups) -> float:
    return free_space.free_memory(groups.root, groups.own) / GB


def test_a_tenth_of_the_machine_stays_free(groups: Groups) -> None:
    assert free(groups) == pytest.approx(50, abs=0.01)


def test_nothing_is_free_where_less_than_the_margin_is(groups: Groups, has: Callable[[int], None]) -> None:
    has(9)
    assert free(groups) == 0


def test_a_container_that_sees_itself_as_the_root_is_heeded(groups: Groups) -> None:
    groups.is_in("0::/")
    groups.limit(".", 20 * GB, 5 * GB)
    assert free(groups) == pytest.approx(13)


def test_page_cache_counts_as_free_and_shared_memory_does_not(groups: Groups) -> None:
    groups.is_in("0::/")
    stat = f"anon {GB}\nfile {9 * GB}\nshmem {2 * GB}\nactive_file {3 * GB}\ninactive_file {4 * GB}\n"
    groups.limit(".", 20 * GB, 10 * GB, stat)
    assert free(groups) == pytest.approx(10 + 7 - 2)


def test_the_limits_of_the_groups_around_hold_too(groups: Groups) -> None:
    groups.is_in("0::/slice/job/step")
    groups.limit("slice/job/step", "max", 1 * GB)
    groups.limit("slice/job", 30 * GB, 1 * GB)
    groups.limit("slice", 20 * GB, 15 * GB)  # of which others have 14
    assert free(groups) == pytest.approx(3)
    groups.limit("slice/job/step", 4 * GB, 1 * GB)
    assert free(groups) == pytest.approx(2.6)


def test_where_a_group_is_slowed_down_is_a_limit(groups: Groups) -> None:
    groups.is_in("0::/job")
    groups.limit("job", "max", 1 * GB)
    groups.limit("job", 10 * GB, 1 * GB, name="memory.high")
    assert free(groups) == pytest.approx(8)


@pytest.mark.parametrize("folder", ["memory/docker/abc", "memory"])  # with the host's tree, or the container's alone
def test_version_1_is_understood(groups: Groups, folder: str) -> None:
    groups.is_in("12:cpu,cpuacct:/docker/abc", "4:memory:/docker/abc", "0::/")
    stat = f"inactive_file 1\ntotal_inactive_file {2 * GB}\ntotal_active_file {1 * GB}\n"
    groups.limit(folder, 20 * GB, 15 * GB, stat, name="memory.limit_in_bytes")
    assert free(groups) == pytest.approx(5 + 3 - 2)


def test_no_limit_is_none(groups: Groups) -> None:
    groups.is_in("4:memory:/", "0::/")
    groups.limit("memory", 9223372036854771712, 1 * GB, name="memory.limit_in_bytes")
    assert free(groups) == pytest.approx(50, abs=0.01)


def test_this_machine_has_some_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 0 <= free_space.free_memory() < 1 << 50


def test_the_disk_of_a_folder_that_is_not_there_yet_is_its_parent_s(tmp_path: Path) -> None:
    assert 0 < free_space.free_disk(tmp_path / "a" / "b") < 1 << 60


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 MB"), (2_540_000, "2.5 MB"), (12_300_000_000, "12.3 GB")])
def test_sizes_are_readable(size: int, text: str) -> None:
    assert free_space.readable(size) == text
