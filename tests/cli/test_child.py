"""A command in a process of its own ends with the one that started it."""

import importlib
import subprocess
import sys
import time

import pytest

from lightning_flowers.cli.child import INTERRUPTED, flag_names, run_command
from lightning_flowers.cli.parser import make_parser
from lightning_flowers.errors import UserError

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


@pytest.mark.skipif(sys.platform == "win32", reason="a second process has another stdin there")
def test_so_do_the_processes_that_the_command_has_started_for_other_devices(monkeypatch):
    monkeypatch.setenv("LIGHTNING_FLOWERS_FOLLOWS", "1")
    second = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAITS!r}])\n"
    ask = "import sys; print(repr(sys.stdin.read()), flush=True)\n"
    code = WAITS.replace("print(", f"exec({second + ask!r}); print(")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        said = [process.stdout.readline() for _ in range(3)]
        assert sorted(said) == [b"''\n", b"here\n", b"here\n"]
        process.stdin.close()
        closed = time.monotonic()
        assert process.stdout.read() == b""  # which ends once both have
        assert time.monotonic() - closed < 30  # by themselves they would in 60


@pytest.mark.skipif(sys.platform == "win32", reason="they are not told there")
def test_processes_for_other_devices_end_with_the_first_that_is_killed_alone():
    leads = (
        "from lightning_flowers.cli.child import follow, lead; import subprocess, sys, time; follow(); lead()\n"
        f"subprocess.Popen([sys.executable, '-c', {WAITS!r}]); print(sys.stdin.read(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", leads], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"its own")
        process.stdin.close()
        assert sorted(process.stdout.readline() for _ in range(2)) == [b"here\n", b"its own\n"]
        process.kill()
        killed = time.monotonic()
        assert process.stdout.read() == b""  # which ends once the other has
        assert time.monotonic() - killed < 30  # by itself it would in 60


def test_a_command_that_ends_by_itself_keeps_its_status():
    lines = []
    assert run_command(["no-such"], lambda line, _: lines.append(line)) == 2
    assert "no such command" in lines[-1]


@pytest.mark.parametrize(
    ("tool", "flag", "meant"),
    [
        ("compete", "foldz", "folds"),
        ("tune", "trails", "trials"),
        ("lr_find", "step", "steps"),
        ("soup", "metod", "method"),
    ],
)
def test_a_mistyped_flag_of_a_tool_is_no_flag_of_fit_s(tool, flag, meant):
    cli = importlib.import_module(f"lightning_flowers.{tool}.cli")
    parser, refused = cli.make_parser(), getattr(cli, "_OWN", getattr(cli, "_REFUSED", {}))
    with pytest.raises(UserError, match=f"{tool}: --{flag}: no such flag: did you mean --{meant}"):
        flag_names(parser, [f"--{flag}=3"], {})
    own = vars(parser.parse_known_args(["--hours=1"])[0])
    of_fit = vars(make_parser("fit").get_defaults()).keys() - own - refused.keys()
    assert "model" in of_fit
    assert flag_names(parser, [f"--{name}=3" for name in sorted(of_fit)], {}) == sorted(of_fit)
