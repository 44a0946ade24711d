"""A command in a process of its own: what XLA, CUDA and launchers keep for life cannot spoil the next one."""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lightning_flowers.cli.parsing import nearest_flag
from lightning_flowers.errors import UserError
from lightning_flowers.files import digest

INTERRUPTED = 130  # the exit status of a command that Ctrl-C has ended
# Set where stdin is a pipe that ends with the process that has started this one.
_FOLLOWS = "LIGHTNING_FLOWERS_FOLLOWS"
_is_program = False  # whether this process is a command's own, which Lightning starts anew for further devices


def run_command(args: Sequence[str], on_line: Callable[[str, subprocess.Popen[str]], None]) -> int:
    """Run one command and return its exit status.

    Args:
        args: the command line, beginning with the command.
        on_line: given each line as it comes, errors too, with its end; and the process, which it may terminate.
    """
    command = [sys.executable, "-m", "lightning_flowers", *args]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", _FOLLOWS: "1"}  # utf-8, whatever this terminal's is
    pipe, out = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=out, text=True, encoding="utf-8", env=environment
    ) as process:
        assert process.stdout
        lines = iter(process.stdout)
        while line := _next(lines):
            on_line(line, process)
        process.wait()  # before stdin is closed
    # Python itself, where Ctrl-C comes while it still imports, ends by the signal.
    return INTERRUPTED if process.returncode == -signal.SIGINT else process.returncode


def follow() -> None:
    """In a process of `run_command`, or one that it starts for another device and that has the same stdin: end with the
    one that started it, however that ends.

    Else a campaign that was killed and begun again would have two processes train one run.
    """
    global _is_program  # noqa: PLW0603 - whatever runs here later is of this program
    _is_program = True
    if os.environ.get(_FOLLOWS):
        pipe, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
        sys.stdin = os.fdopen(nothing)  # who asks a user gets no answer
        if sys.platform == "win32":  # a process that begins with a pipe that another one reads waits for that read
            os.dup2(nothing, 0)
            del os.environ[_FOLLOWS]
        threading.Thread(target=_end_with, args=[pipe], daemon=True).start()


def lead() -> None:
    """Before Lightning starts this process's command anew for further devices: have those `follow` it, which would wait
    for it until their time-out. On Windows they do."""
    if _is_program and sys.stdin is not None and sys.platform != "win32":
        sys.stdin = os.fdopen(os.dup(sys.stdin.fileno()))  # this process keeps its own
        ends, _ = os.pipe()  # when the other end does, which this process alone has
        os.dup2(ends, 0)
        os.environ[_FOLLOWS] = "1"


def last_words(text: str) -> str:
    """Of all that a command has said the last line: where it failed, why."""
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("lightning_flowers: ") if lines else "it said nothing"


def flag_names(parser: argparse.ArgumentParser, flags: Sequence[str], refused: Mapping[str, str]) -> list[str]:
    """The names of a tool's flags that are meant for `fit`, each written with its value.

    Args:
        parser: the tool's.
        flags: that it does not know.
        refused: those of `fit` that cannot be had, and why.

    Raises:
        UserError: something among them is no flag, is refused, or a flag of the tool itself that is mistyped.
    """
    tool = parser.prog.rpartition(" ")[2]
    loose = next((flag for flag in flags if not flag.startswith("--")), None)
    if loose is not None:
        raise UserError(f"{tool}: {loose}: no flag: settings of fit are given with =, as --data.root=petals")
    names = [flag.removeprefix("--").partition("=")[0] for flag in flags]
    for name in names:
        if name in refused:
            raise UserError(f"{tool}: --{name}: {refused[name]}")
        of_group = "." in name or name in ("data", "model", "trainer")
        if not of_group and (hint := nearest_flag(parser, f"unrecognized arguments: --{name}")):
            raise UserError(f"{tool}: --{name}: no such flag{hint} (see {tool} --help)")
    return names


def with_contents(flags: Sequence[str]) -> list[str]:
    """Flags, those that name a YAML with a digest of it: what goes on must not go on with another one."""
    return [f"{flag} {told}" if (told := _digest(flag.partition("=")[2])) else flag for flag in flags]


def _digest(value: str) -> str:
    path = Path(value)
    is_yaml = path.suffix in (".yaml", ".yml") and path.is_file()
    return digest(path)[:12] if is_yaml else ""


def _end_with(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os._exit(INTERRUPTED)


def _next(lines: Iterator[str]) -> str:
    """The next line, "" at the end. Ctrl-C reaches the run too, which has something to save and say first."""
    with suppress(KeyboardInterrupt):
        return next(lines, "")
    return next(lines, "")
