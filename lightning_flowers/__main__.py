"""`python -m lightning_flowers`: errors a user can mend are one line, without a traceback."""

import importlib
import os
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import TextIO

from lightning_flowers import __version__, environment
from lightning_flowers.cli import completion
from lightning_flowers.cli.child import INTERRUPTED, follow
from lightning_flowers.cli.commands import COMMANDS, ON_LIGHTNING, TOOLS, usage
from lightning_flowers.cli.parsing import at_home
from lightning_flowers.errors import UserError, did_you_mean, naming_flags
from lightning_flowers.secrets import redact

MISUSED = 2


def program() -> int:
    """Run the command line of this process, which is the program's own, and return its exit status."""
    sys.excepthook, threading.excepthook = _redacted_traceback, _end_of_thread
    follow()
    environment.prepare_process()
    try:
        return main()
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        sys.stdout = None
        return MISUSED


def main(args: list[str] | None = None) -> int:
    """Run a command line (default: of this process) and return its exit status; the process is left as it was found."""
    args = at_home(sys.argv[1:] if args is None else args)
    if not args or args[0] in ("--help", "-h", "--help=all", "--version"):
        print(f"lightning_flowers {__version__}" if args == ["--version"] else usage())
        return 0
    with environment.as_found(), naming_flags():
        warnings.showwarning = _one_line_warning
        if any(redact(arg) != arg for arg in args):
            os.environ.setdefault("WANDB__DISABLE_META", "true")  # it keeps the command line
        return _run_or_fail(args)


def _run_or_fail(args: list[str]) -> int:
    try:
        return _run(args)
    except UserError as error:
        return _fail(str(error))
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        from lightning_flowers.files import mend_of  # late: --version and mistakes do not wait for it

        return _fail(f"{error.filename or 'a file'}: {error.strerror}: {mend_of(error)}, or choose another folder")


def _run(args: list[str]) -> int:
    command = args[0]
    if command.startswith(completion.FLAG):
        print(completion.script(args))
        return 0
    if command not in COMMANDS | TOOLS:
        hint = did_you_mean(command, COMMANDS | TOOLS) or f": use one of {', '.join(COMMANDS | TOOLS)}"
        raise UserError(f"{command}: no such command{hint} (see --help)")
    if command in TOOLS and command not in ON_LIGHTNING:
        return _run_tool(args)
    # Imported late: torch and Lightning take seconds, and --version and mistakes should not wait for them.
    from lightning_flowers.cli import failures, lightning

    with failures.as_refused_settings():
        if command in TOOLS:
            return _run_tool(args)
        lightning.FlowersCLI(args)
    return 0


def _run_tool(args: list[str]) -> int:
    """Each tool is a room of its name, with a command line."""
    return importlib.import_module(f"lightning_flowers.{args[0]}.cli").run(args[1:])


def _fail(message: str, status: int = MISUSED) -> int:
    print(redact(f"lightning_flowers: {message}"), file=sys.stderr)
    return status


def _one_line_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if Path(filename).is_relative_to(Path(__file__).parent):
        print(redact(f"warning: {message}"), file=file or sys.stderr)


def _redacted_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _end_of_thread(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value
    if isinstance(error, OSError) and error.strerror:  # as of TensorBoard's writer: the main thread meets it too
        print(redact(f"warning: {error.filename or 'a file'}: {error.strerror}"), file=sys.stderr)
    elif error is not None:
        _redacted_traceback(failed.exc_type, error, failed.exc_traceback)


if __name__ == "__main__":
    sys.exit(program())
