"""The command line of `report`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_flowers.cli.parsing import Parser
from lightning_flowers.errors import UserError
from lightning_flowers.secrets import redact

FAILED = 1


def run(args: Sequence[str]) -> int:
    """Run `report RUN ...` and return its exit status: 0, or 1 if a run has got no page.

    Raises:
        UserError: a mistake in the arguments.
    """
    given = make_parser().parse_intermixed_args(args)
    if not given.runs:
        raise UserError("report: give run folders, such as runs/*")
    reported = [_report(path, given.data_root) for path in given.runs]
    return 0 if all(reported) else FAILED


def make_parser() -> Parser:
    """The flags of `report`."""
    parser = Parser("report")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run folders, such as runs/*")
    parser.add_argument(
        "--data_root", metavar="FOLDER", help="where the runs' data lie now, for the pictures; else where they lay"
    )
    return parser


def _report(path: str, data_root: str | None) -> bool:
    """Report one run and print where its page is; else say in one line why it has none."""
    from lightning_flowers.report.write import write_report  # imported late: matplotlib takes its time

    try:
        page = write_report(Path(path), data_root)[-1]
    except UserError as error:
        return _fail(" ".join(str(error).split()))
    except OSError as error:
        if error.errno is None:
            raise
        return _fail(f"{error.filename2 or error.filename or path}: {error.strerror}: no report of {path} was made")
    sys.stdout.write(f"{page}\n")
    return True


def _fail(message: str) -> bool:
    sys.stderr.write(redact(f"lightning_flowers: {message}\n"))
    return False
