"""How many CPU cores a container leaves: files as the kernel writes them, of both versions of control groups."""

from pathlib import Path

import pytest

from lightning_flowers import cgroups


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "250000 100000"}, 3),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/slice/job", {"slice/job/cpu.max": "max 100000", "slice/cpu.max": "400000 100000"}, 4),
        ("0::/../elsewhere", {"cpu.max": "300000 100000"}, 3),
        ("4:cpu,cpuacct:/docker/a", {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "50000"}, 3),
        (
            "4:cpu,cpuacct:/docker/a",
            {"cpu/docker/a/cpu.cfs_quota_us": "-1", "cpu/docker/a/cpu.cfs_period_us": "100000"},
            None,
        ),
        ("4:memory:/", {}, None),
    ],
)
def test_the_quota_of_a_container_is_a_number_of_cores(
    tmp_path: Path, group: str, files: dict[str, str], cores: int | None
) -> None:
    (tmp_path / "own").write_text(f"{group}\n")
    for name, text in files.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(f"{text}\n")
    assert cgroups.cpu_quota(tmp_path / "tree", tmp_path / "own") == cores


@pytest.mark.parametrize(("quota", "cores"), [(1, 1), (10_000, None), (None, None)])
def test_cores_are_the_machine_s_or_the_quota(
    monkeypatch: pytest.MonkeyPatch, quota: int | None, cores: int | None
) -> None:
    monkeypatch.setattr(cgroups, "cpu_quota", lambda: None)
    all_cores = cgroups.cpu_count()
    monkeypatch.setattr(cgroups, "cpu_quota", lambda: quota)
    assert cgroups.cpu_count() == (cores or all_cores)
