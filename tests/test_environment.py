"""What launchers, notebooks and terminals leave in the environment of a run."""

import io
import os
import pty
import subprocess
import sys
import termios
from contextlib import suppress

import pytest
from lightning_fabric.utilities.rank_zero import rank_zero_only

from lightning_flowers import environment
from lightning_flowers.__main__ import MISUSED, main

TINY = [
    "--model.backbone=test_resnet",
    "--model.weights=none",
    "--data.batch_size=8",
    "--data.threads=2",
    "--data.cache=none",
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--report=false",
]
LEFT = ("config.yaml", "summary.json", "metrics.csv", "submission.csv", "predictions/val.npz")
NOTEBOOK = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "COLUMNS": "0",
    "JPY_PARENT_PID": "1",
    "PYTHONIOENCODING": "ascii",
}
CLUSTER = {"RANK": "1", "LOCAL_RANK": "1", "NODE_RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "1"}


def on_a_terminal(command, environment):
    """Run a command on a terminal of its own; gives its status and all that it showed."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))  # without a size tqdm shows nothing
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        shown = b""
        with suppress(OSError):  # which is how Linux says that the other end is closed
            while part := os.read(ours, 4096):
                shown += part
        os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.slow
def test_a_run_is_whole_whatever_is_left_over(here, make_petals):
    """For real, on a terminal as a notebook's `!` makes one: Lightning reads the variables while it is imported."""
    root = make_petals(here / "菊")
    command = [sys.executable, "-m", "lightning_flowers", "fit", *TINY, f"--data.root={root}"]
    environment = {**os.environ, **NOTEBOOK, **CLUSTER}
    status, shown = on_a_terminal(command, environment)
    assert status == 0, shown
    assert "\\u83ca: 32 px" in shown
    assert "\r" not in shown.replace("\r\n", "\n")  # as a bar begins
    assert len([line for line in shown.splitlines() if line.startswith("epoch")]) == 1
    assert [name for name in LEFT if not (here / "runs/test_resnet" / name).is_file()] == []


@pytest.mark.parametrize(
    ("on_a_terminal", "kernel", "widgets", "child", "bars"),
    [
        (True, False, False, False, True),
        (False, False, False, False, False),
        (True, False, True, True, False),
        (False, True, True, True, True),
        (False, True, False, True, False),
    ],
)
def test_bars_are_drawn_where_they_stay_one_line(monkeypatch, on_a_terminal, kernel, widgets, child, bars):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: on_a_terminal, raising=False)
    monkeypatch.setattr(environment, "find_spec", lambda name: name if widgets else None)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    if kernel:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    if child:
        monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert environment.shows_bars(stream) == bars


def test_the_trainer_says_who_is_first(here, petals_root, monkeypatch, capsys):
    monkeypatch.setattr(rank_zero_only, "rank", 3)  # as Lightning takes it from RANK, LOCAL_RANK, SLURM_PROCID
    assert main(["fit", *TINY, f"--data.root={petals_root}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "run        runs/test_resnet"
    assert [name for name in LEFT if not (here / "runs/test_resnet" / name).is_file()] == []


@pytest.mark.parametrize(
    ("variables", "flags", "said"),
    [
        ({"SLURM_NTASKS": "2"}, [], "--ntasks-per-node=2"),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}, [], "--trainer.strategy=ddp"),
        ({}, ["--trainer.num_nodes=2"], "use torchrun or srun"),
    ],
)
def test_processes_that_cannot_be_are_refused_in_one_line(
    here, petals_root, monkeypatch, capsys, variables, flags, said
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["fit", *TINY, *flags, f"--data.root={petals_root}"]) == MISUSED
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert said in err
    assert not list(here.iterdir())


def test_what_another_job_of_slurm_has_left_is_not_begun_with(here, petals_root, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    (here / "hpc_ckpt_1.ckpt").touch()
    assert main(["fit", *TINY, f"--data.root={petals_root}"]) == MISUSED
    assert "hpc_ckpt_1.ckpt: left by an earlier job" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_character_shows_its_number(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "lightning_flowers", "菊"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == MISUSED
    assert done.stderr.startswith(b"lightning_flowers: \\u83ca: no such command")
