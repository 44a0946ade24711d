"""Rehearsals as a user starts them; each has a process of its own, as torch_xla knows only one mode of cores."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from lightning_flowers.__main__ import main
from lightning_flowers.errors import UserError
from lightning_flowers.rehearse import client
from lightning_flowers.rehearse.footprint import batch_bytes, footprint

SLOW = "LIGHTNING_FLOWERS_SLOW"
CONFIGS = Path(__file__).parents[2] / "configs"
TINY = ["--model.backbone=test_resnet", "--data.size=512", "--data.batch_size=128"]

with_xla = pytest.mark.skipif(find_spec("torch_xla") is None, reason="torch_xla is not installed")


def rehearse(*flags, cwd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PJRT", "CPU_NUM"))}
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # compiles five times as fast
    command = [sys.executable, "-m", "lightning_flowers", "rehearse", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Of a rehearsal that goes well and of one on too small a chip: the process, its findings, its folder."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("good", "small")}
    flags = {"good": [], "small": ["--cores=2", "--chip_gb=0.5", "--trainer.precision=32-true"]}
    with ThreadPoolExecutor() as pool:
        started = {
            name: pool.submit(rehearse, *TINY, *flags[name], "--json=found.json", cwd=folder)
            for name, folder in folders.items()
        }
    return {
        name: (run.result(), json.loads((folders[name] / "found.json").read_text()), folders[name])
        for name, run in started.items()
    }


@with_xla
@pytest.mark.slow
def test_a_run_on_eight_cores_goes_well(done):
    run, found, folder = done["good"]
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert run.stdout.splitlines()[0].startswith(
        "rehearsed   test_resnet in bf16-mixed, 6 steps of 8 pictures of 32 px"
    )
    assert run.stdout.splitlines()[-1].startswith("good ")
    assert [path.name for path in folder.iterdir()] == ["found.json"]
    assert (found["cores"], found["precision"], found["late"], found["reads"]) == (8, "bf16-mixed", 0, 0)
    assert found["fallbacks"] == {}


@with_xla
@pytest.mark.slow
def test_all_inputs_are_split(done):
    _, found, _ = done["good"]
    assert {sent["name"] for sent in found["inputs"]} == {"image", "label, index", "mask"}
    assert all(sent["sharding"].startswith("{devices=[8") for sent in found["inputs"])


@with_xla
@pytest.mark.slow
def test_little_more_than_the_batch_crosses_to_the_cores(done):
    _, found, _ = done["good"]
    assert batch_bytes(8, 32) <= found["traffic"] <= 1.1 * batch_bytes(8, 32)


@with_xla
@pytest.mark.slow
def test_the_footprint_is_of_the_runs_own_size_and_batch(done):
    _, found, _ = done["good"]
    expected = footprint({"backbone": "test_resnet", "num_classes": 104}, 512, 16, "bf16-mixed")
    assert expected.flops == found["footprint"]["flops"]
    assert expected.activations == found["footprint"]["activations"]


@with_xla
@pytest.mark.slow
def test_graphs_are_known_by_their_causes(done):
    _, found, _ = done["good"]
    assert 0 < len(found["graphs"]) <= found["compiled"]
    assert {graph["when"] for graph in found["graphs"]} == {"first epoch", "after training"}
    assert any("metrics.py" in graph["where"] for graph in found["graphs"])


@with_xla
@pytest.mark.slow
def test_too_small_a_chip_is_a_failure(done):
    run, found, _ = done["small"]
    assert run.returncode == 1
    assert found["failures"] == [f"does not fit: at least {found['footprint']['least'] / 1e9:.2f} GB of 0.5 GB a core"]
    assert run.stdout.splitlines()[-1] == f"FAILS       {found['failures'][0]}"


@with_xla
@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--cores=0", "--cores=0: must be at least 1"),
        ("--size_px=8", "--size_px=8: must be at least 32"),
        ("--chip_gb=0", "--chip_gb=0.0: must be above 0"),
        ("--json=.", "--json=.: is a folder: give a file"),
        ("--json=no/such/file.json", "--json=no/such/file.json: cannot be written: choose another folder"),
        ("--data.batch_size=-8", "--data.batch_size=-8: must be at least 1"),
        ("--data.batch_size=100", "--data.batch_size=100: 8 cores do not divide it: use a multiple of 8"),
        ("--data.root=nowhere", "--data.root=nowhere: no such folder"),
        ("--model.backbone=test_resnext", "timm 1.0.31 has no such model"),
        ("--nothing=1", "unrecognized arguments: --nothing=1"),
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
    monkeypatch.setattr(client.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"torch_xla is not installed: pip install -e '\.\[xla\]'"):
        client.choose_client(None)


@pytest.mark.parametrize(("asked", "there", "chosen"), [(None, None, "8"), (None, "4", "4"), (2, "4", "2")])
def test_the_cores_are_those_asked_for(monkeypatch, asked, there, chosen):
    monkeypatch.setattr(client.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("PJRT_DEVICE", "TPU")
    monkeypatch.setenv("CPU_NUM_DEVICES", there or "")
    if there is None:
        monkeypatch.delenv("CPU_NUM_DEVICES")
    client.choose_client(asked)
    assert (os.environ["PJRT_DEVICE"], os.environ["CPU_NUM_DEVICES"]) == ("CPU", chosen)


def test_help_names_the_command_and_its_flags(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["rehearse", "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "lightning_flowers rehearse" in said
    assert all(flag in said for flag in ("--cores", "--size_px", "--chip_gb", "--json", "--data.batch_size"))


@with_xla
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(SLOW), reason=f"compiling takes minutes: set {SLOW}=1")
@pytest.mark.parametrize(
    "backbone", ["densenet201", "xception", "resnet152", "tf_efficientnet_b7_ns", "tf_efficientnetv2_xl"]
)
def test_the_studys_backbones_can_be_rehearsed(backbone, tmp_path):
    run = rehearse("--config", str(CONFIGS / f"{backbone}.yaml"), "--json=found.json", cwd=tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["failures"] == [], run.stdout
    assert run.returncode == 0
