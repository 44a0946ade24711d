"""`python -m lightning_flowers`: errors a user can mend are one line, without a traceback."""

import sys
import warnings
from typing import TextIO

from lightning_flowers import __version__
from lightning_flowers.commands import COMMANDS, usage
from lightning_flowers.errors import UserError

MISUSED, INTERRUPTED = 2, 130


def main(args: list[str] | None = None) -> int:
    """Run a command line (default: of this process) and return its exit status."""
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("--help", "-h", "--version"):
        print(f"lightning_flowers {__version__}" if args == ["--version"] else usage())
        return 0
    if args[0] not in COMMANDS:
        return _fail(f"{args[0]}: no such command: use one of {', '.join(COMMANDS)} (see --help)")
    warnings.showwarning = _one_line_warning
    try:
        _run(args)
    except UserError as error:
        return _fail(str(error))
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", INTERRUPTED)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        return _fail(f"{error.filename or 'writing'}: {error.strerror or error}: free space or choose another folder")
    return 0


def _run(args: list[str]) -> None:
    # Imported late: torch and Lightning take seconds, and --version and mistakes should not wait for them.
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    from lightning_flowers import cli

    cli.quiet_lightning()
    try:
        cli.FlowersCLI(args)
    except MisconfigurationException as error:
        raise UserError(" ".join(str(error).split())) from error


def _fail(message: str, status: int = MISUSED) -> int:
    print(f"lightning_flowers: {message}", file=sys.stderr)
    return status


def _one_line_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if "lightning_flowers" in filename:
        print(f"warning: {message}", file=file or sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
