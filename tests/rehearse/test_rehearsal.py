"""Rehearsals as a user starts them; each has a process of its own, as torch_xla knows only one mode of cores."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonargparse import Namespace

from lightning_flowers.__main__ import main
from lightning_flowers.errors import UserError
from lightning_flowers.rehearse import rehearsal

from .conftest import NET

SLOW = "LIGHTNING_FLOWERS_SLOW"
CONFIGS = Path(__file__).parents[2] / "configs"

with_libtpu = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch_xla", "libtpu", "jax")),
    reason="torch_xla, libtpu or jax is missing",
)
with_xla = pytest.mark.skipif(find_spec("torch_xla") is None, reason="torch_xla is not installed")


def rehearse(*flags, cwd, caches):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PJRT", "CPU_NUM"))}
    environment["XDG_CACHE_HOME"] = str(caches)
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # compiles five times as fast
    command = [sys.executable, "-m", "lightning_flowers", "rehearse", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


@pytest.fixture(scope="module")
def done(tmp_path_factory, caches):
    """Of a rehearsal that goes well: the process, its findings, its folder."""
    folder = tmp_path_factory.mktemp("good")
    run = rehearse(*NET, "--data.batch_size=16", "--json=found.json", cwd=folder, caches=caches)
    return run, json.loads((folder / "found.json").read_text()), folder


@with_libtpu
@pytest.mark.slow
def test_a_run_on_eight_cores_goes_well(done):
    run, found, folder = done
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert run.stdout.startswith("rehearsed   test_resnet, 32 px, batch 16, bf16-mixed, on v5e-8 (8 cores), by libtpu ")
    assert run.stdout.splitlines()[-1].startswith("good ")
    assert [path.name for path in folder.iterdir()] == ["found.json"]
    assert (found["cores"], found["precision"], found["failures"]) == (8, "bf16-mixed", [])
    assert (found["late"], found["reads"], found["fallbacks"]) == ([], 0, {})


@with_libtpu
@pytest.mark.slow
def test_each_graph_is_estimated(done):
    graphs = {graph["stage"]: graph for graph in done[1]["graphs"]}
    assert not any(graph["refused"] for graph in graphs.values())
    assert all(graphs[stage]["seconds"] > 0 for stage in ("training step", "evaluation step", "prediction step"))
    assert done[1]["estimated"]["epoch"] > 797 * graphs["training step"]["seconds"]


@with_xla
@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--chip=v5-8", "--chip=v5-8: no such chip: did you mean v5p-8 or v5e-8?"),
        ("--compiler=/bin/false", "/bin/false lacks libtpu or jax: pip install -e '.[rehearse]'"),
        ("--json=.", "--json=.: is a folder: give a file"),
        ("--json=no/such/file.json", "--json=no/such/file.json: cannot be written: choose another folder"),
    ],
)
def test_a_mistake_is_found_before_anything_is_traced(flag, answer):
    with pytest.raises(UserError) as caught:
        rehearsal.check(rehearsal.make_parser().parse_args([flag]))
    assert answer in caught.value.args[0]


@with_xla
@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--data.root=nowhere", "--data.root=nowhere: no such folder"),
        ("--data.batch_size=-8", "--data.batch_size=-8: must be "),
        ("--hours=0", "--hours=0.0: must be above 0"),
    ],
)
def test_a_mistake_is_one_line(flag, answer, capsys, monkeypatch):
    monkeypatch.setenv("PJRT_DEVICE", "CPU")  # what the command sets ends with the test
    monkeypatch.setenv("CPU_NUM_DEVICES", "8")
    assert main(["rehearse", flag]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert answer in said.err
    assert len(said.err.splitlines()) == 1


def test_without_torch_xla_there_is_nothing_to_rehearse_on(monkeypatch):
    monkeypatch.setattr(rehearsal.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"torch_xla is not installed: pip install -e '\.\[rehearse\]'"):
        rehearsal.check(Namespace())


def test_help_names_the_command_and_its_flags(capfd):
    with pytest.raises(SystemExit) as stop:
        main(["rehearse", "--help"])
    assert stop.value.code == 0
    said = capfd.readouterr().out
    assert "lightning_flowers rehearse" in said
    assert all(flag in said for flag in ("--chip", "--hours", "--largest-batch", "--json", "--data.batch_size"))


@with_xla
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(SLOW), reason=f"compiling takes minutes: set {SLOW}=1")
@pytest.mark.parametrize(
    "backbone", ["densenet201", "xception", "resnet152", "tf_efficientnet_b7_ns", "tf_efficientnetv2_xl"]
)
def test_the_studys_backbones_can_be_rehearsed(backbone, tmp_path, caches):
    run = rehearse("--config", str(CONFIGS / f"{backbone}.yaml"), "--json=found.json", cwd=tmp_path, caches=caches)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["failures"] == [], run.stdout
    assert run.returncode == 0
