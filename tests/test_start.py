"""What starting the program costs and does, seen from outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_flowers.cli.commands import COMMANDS, TOOLS

TRAP = "raise RuntimeError('torch_xla was imported')\n"


def start(*args: str, **kwargs) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lightning_flowers", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **kwargs)


@pytest.fixture
def with_torch_xla(tmp_path):
    """An environment in which torch_xla is installed, and breaks when it is imported."""
    package, info = tmp_path / "site" / "torch_xla", tmp_path / "site" / "torch_xla-2.9.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(TRAP)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch_xla\nVersion: 2.9.0\n")
    return {**os.environ, "PYTHONPATH": str(package.parent)}


@pytest.mark.slow
def test_a_run_without_a_tpu_never_imports_torch_xla(petals_root, tmp_path, with_torch_xla):
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--trainer.fast_dev_run=true"]
    done = start("fit", *flags, f"--data.root={petals_root}", cwd=tmp_path, env=with_torch_xla)
    assert done.returncode == 0, done.stderr
    trapped = subprocess.run([sys.executable, "-c", "import torch_xla"], env=with_torch_xla, check=False)
    assert trapped.returncode != 0  # the trap works


def test_help_and_mistakes_do_not_wait_for_torch(tmp_path):
    (tmp_path / "torch.py").write_text(TRAP)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for args, status in (
        (["--help"], 0),
        (["--print_completion=x"], 2),
        ([], 0),
        (["--version"], 0),
        (["train"], 2),
        (["records"], 0),
        (["records", "x"], 2),
        (["compare", "--help"], 0),
        (["compare", "x"], 2),
        (["ensemble", "--help"], 0),
        (["ensemble", "x"], 2),
        (["classify", "--help"], 0),
        (["classify"], 2),
        (["export", "--help"], 0),
        (["export", "x", "--to=x"], 2),
        (["report", "--help"], 0),
        (["report", "x"], 1),
        (["serve", "--help"], 0),
        (["serve", "x", "--batch=0"], 2),
    ):
        assert start(*args, env=environment).returncode == status, args
    assert "fit" in start("--help").stdout
    assert "fti: no such command: did you mean fit?" in start("fti").stderr
    assert start("train").stderr.splitlines() == [
        f"lightning_flowers: train: no such command: use one of {', '.join(COMMANDS | TOOLS)} (see --help)"
    ]


def test_the_environments_name_the_same_packages():
    """conda's environment and make's install the same thing: the project itself, pinned by the same constraints."""
    import yaml

    root = Path(__file__).parent.parent
    environment = yaml.safe_load((root / "environment.yml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["--constraint constraints.txt", "--editable .[dev]"]
    assert "--constraint constraints.txt --editable '.[dev]'" in (root / "Makefile").read_text()
    assert "://" not in (root / "constraints.txt").read_text()
