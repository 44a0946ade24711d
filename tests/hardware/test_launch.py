"""The first words of processes that a launcher has started: who is there, and what the first has decided."""

import contextlib
import pickle
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from types import SimpleNamespace
from typing import Any

import pytest
from torch import distributed as dist

from lightning_flowers.errors import UserError
from lightning_flowers.hardware import end_others, launch
from lightning_flowers.hardware.launch import WAIT, Launch, agree, launched

PORT, STORE = 23456, launch._store


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "SLURM_STEP_ID", "SLURM_NTASKS", launch._AGENTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASTER_PORT", "29500")  # put back, whatever is agreed on


@pytest.fixture(autouse=True)
def stores(monkeypatch):
    """A store for all that agree; each thread is a process."""
    stores: list[Any] = []
    monkeypatch.setattr(launch, "_store", lambda *_: stores[-1])
    monkeypatch.setattr(launch, "_calls", repeat(0))
    monkeypatch.setattr(launch, "_LAST_WORD", 0)
    return stores


@pytest.fixture
def processes(stores):
    """Have so many of `world` processes agree; gives what each has heard."""

    def processes(world, *ranks, again=(), decide=lambda again: again):
        stores.append(dist.HashStore())  # pyright: ignore[reportPrivateImportUsage]

        def one(rank):
            place = SimpleNamespace(
                global_rank=lambda: rank, world_size=lambda: world, main_address="node-a", main_port=29500
            )
            try:
                return agree(Launch("torchrun x", rank in again, place), decide)  # pyright: ignore[reportArgumentType]
            except UserError as error:
                return str(error)

        with ThreadPoolExecutor(world) as pool:
            return list(pool.map(one, ranks))

    return processes


def test_all_hear_what_the_first_decides(processes):
    assert processes(3, 0, 1, 2, decide=lambda again: ("runs/x", again)) == [("runs/x", False)] * 3


def test_all_know_of_a_restart_that_only_one_was_told_of(processes):
    assert processes(2, 0, 1) == [False, False]
    assert processes(2, 0, 1, again=[1]) == [True, True]


def test_what_the_first_cannot_decide_is_an_error_on_all(processes):
    def decide(again):
        raise UserError("--resume=runs/x: no such folder")

    assert processes(2, 0, 1, decide=decide) == ["--resume=runs/x: no such folder"] * 2


def test_a_process_that_does_not_come_is_named(processes, monkeypatch):
    monkeypatch.setenv(WAIT, "0.4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    said = processes(4, 0, 1, 3)
    assert len(set(said)) == 1
    assert said[0].startswith("process 2 of 4, on node 1 of 2 (both from 0), has not come to node-a in 0.4 s")
    assert said[0].endswith(f"{WAIT}=SECONDS")
    assert "\n" not in said[0]


@pytest.mark.parametrize(("rank", "said"), [(0, "cannot serve the others there"), (1, "does not answer at 127")])
def test_the_first_that_cannot_be_reached_is_named(monkeypatch, rank, said):
    monkeypatch.setattr(launch, "_store", STORE)
    monkeypatch.setenv(WAIT, "0.3")
    place = SimpleNamespace(global_rank=lambda: rank, world_size=lambda: 2, main_address="127.0.0.1", main_port=PORT)
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 10000 + (PORT + 5003) % 20000))
        with pytest.raises(UserError, match=f"process 0, the first, {said}"):
            agree(Launch("SLURM job 1", False, place), pickle.dumps)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf"])
def test_the_wait_is_a_number_of_seconds(processes, monkeypatch, text):
    monkeypatch.setenv(WAIT, text)
    assert processes(2, 0)[0].startswith(f"{WAIT}={text}: give the seconds")


SLURM = {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_JOB_ID": "4711"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "node-a"}


@pytest.mark.parametrize(
    ("variables", "name", "again"),
    [
        ({}, None, None),
        (TORCHRUN, "torchrun x", False),
        (TORCHRUN | {"TORCHELASTIC_RESTART_COUNT": "1"}, "torchrun x", True),
        ({"TORCHELASTIC_RUN_ID": "left over"}, None, None),
        (SLURM, "SLURM job 4711", False),
        (SLURM | {"SLURM_RESTART_COUNT": "1"}, "SLURM job 4711", True),
        (SLURM | {"SLURM_JOB_NAME": "interactive"}, None, None),
        ({"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}, None, None),  # in a batch script, not by srun
    ],
)
def test_what_has_started_a_process_is_known(monkeypatch, variables, name, again):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    found = launched()
    assert (found and found.name, found and found.again) == (name, again)


def test_a_first_process_that_fails_ends_those_it_has_started():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        launcher = SimpleNamespace(kill=child.send_signal)
        end_others(SimpleNamespace(strategy=SimpleNamespace(launcher=launcher)))  # pyright: ignore[reportArgumentType]
        assert child.wait(30) < 0
