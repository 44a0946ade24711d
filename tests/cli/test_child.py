"""A command in a process of its own ends with the one that started it."""

import subprocess
import sys

import pytest

from lightning_flowers.cli.child import INTERRUPTED, run_command

WAITS = (
    "from lightning_flowers.cli.child import follow; import time; follow(); print('here', flush=True); time.sleep(60)"
)


@pytest.fixture
def waiting(monkeypatch):
    """A process that waits, with a pipe for stdin as `run_command` gives one."""
    monkeypatch.setenv("LIGHTNING_FLOWERS_FOLLOWS", "1")
    command = [sys.executable, "-c", WAITS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "here\n"
        yield process
        process.kill()


def test_a_command_ends_with_the_process_that_started_it(waiting):
    assert waiting.poll() is None
    waiting.stdin.close()  # as the end of the process that holds it does
    assert waiting.wait(10) == INTERRUPTED


def test_a_command_that_ends_by_itself_keeps_its_status():
    lines = []
    assert run_command(["no-such"], lambda line, _: lines.append(line)) == 2
    assert "no such command" in lines[-1]
