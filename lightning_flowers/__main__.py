"""`python -m lightning_flowers`: errors a user can mend are one line, without a traceback."""

import importlib
import logging
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import TextIO

from lightning_flowers import __version__, environment, seeds
from lightning_flowers.commands import COMMANDS, ON_LIGHTNING, TOOLS, usage
from lightning_flowers.errors import UserError
from lightning_flowers.secrets import Redacting, redact
from lightning_flowers.wording import shortened

MISUSED, INTERRUPTED = 2, 130
_LIGHTNING, _LOGGERS = ("pytorch_lightning", "lightning_fabric", "jsonargparse"), ("wandb", "mlflow")
_CLI = "lightning_flowers.cli"


def main(args: list[str] | None = None) -> int:
    """Run a command line (default: of this process) and return its exit status."""
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("--help", "-h", "--version"):
        print(f"lightning_flowers {__version__}" if args == ["--version"] else usage())
        return 0
    warnings.showwarning, sys.excepthook = _one_line_warning, _redacted_traceback
    if logging.lastResort:
        logging.lastResort.setFormatter(Redacting())
    if any(redact(arg) != arg for arg in args):
        os.environ.setdefault("WANDB__DISABLE_META", "true")  # it keeps the command line
    try:
        environment.settle()
        return _run(args)
    except (UserError, UnicodeEncodeError) as error:
        return _fail(_not_utf_8(error) if isinstance(error, UnicodeEncodeError) else str(error))
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        sys.stdout = None
        return MISUSED
    except OSError as error:
        if error.errno is None:
            raise
        return _fail(f"{error.filename or 'a file'}: {error.strerror}: make room, or choose another folder")


def _run(args: list[str]) -> int:
    command = args[0]
    if command not in COMMANDS | TOOLS:
        raise UserError(f"{command}: no such command: use one of {', '.join(COMMANDS | TOOLS)} (see --help)")
    if seeds.asks_for_seeds(args):
        return seeds.run_seeds(args)
    if command in TOOLS and command not in ON_LIGHTNING:
        return _run_tool(args)
    # Imported late: torch and Lightning take seconds, and --version and mistakes should not wait for them.
    from lightning_flowers import arguments, cli

    arguments.quiet_lightning()
    try:
        if command in TOOLS:
            return _run_tool(args)
        cli.FlowersCLI(args)
    except Exception as error:
        if not _answers_settings(error):
            raise
        by = "--trainer.logger: it does not start" if _is_of_a_logger(error) else "Lightning refuses these settings"
        raise UserError(f"{by}: {shortened(str(error))}") from error
    return 0


def _run_tool(args: list[str]) -> int:
    """Each tool is a room of its name, with a command line."""
    return importlib.import_module(f"lightning_flowers.{args[0]}.cli").run(args[1:])


def _is_of_a_logger(error: Exception) -> bool:
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(module.startswith(("pytorch_lightning.loggers.", *_LOGGERS)) for module in modules)


def _answers_settings(error: Exception) -> bool:
    """Whether Lightning, what builds its loggers, or a logger's library answers settings that cannot be.

    Before training, whatever Lightning and torch raise when the command line calls them is such an answer. In training,
    and in code that they call back, ours or a user's, it is a fault to be seen whole.
    """
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [str(frame.f_globals.get("__name__")) for frame in frames]
    kinds = (MisconfigurationException, ImportError, TypeError, ValueError, ZeroDivisionError)
    package = modules[-1].split(".")[0]
    if package in _LOGGERS or (package in _LIGHTNING and isinstance(error, kinds)):
        return True
    called = modules[len(modules) - modules[::-1].index(_CLI) :] if _CLI in modules else []
    trains = any(frame.f_code.co_name == "_run_stage" for frame in frames)
    others = {module.split(".")[0] for module in called} - {*_LIGHTNING, "torch", *sys.stdlib_module_names}
    return bool(called) and not trains and not others and isinstance(error, (*kinds, RuntimeError, LookupError))


def _fail(message: str, status: int = MISUSED) -> int:
    print(redact(f"lightning_flowers: {message}"), file=sys.stderr)
    return status


def _not_utf_8(error: UnicodeEncodeError) -> str:
    given = ascii(error.object[error.start : error.end])
    return f"{given}: part of a name that is no UTF-8: rename it, or set LC_ALL=C.UTF-8"


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


if __name__ == "__main__":
    sys.exit(main())
