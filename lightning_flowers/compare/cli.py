"""The command line of `compare`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_flowers.cli.parsing import Parser
from lightning_flowers.compare.comparison import to_csv, to_markdown, to_text
from lightning_flowers.compare.estimated import read_estimate
from lightning_flowers.compare.groups import Group, group_runs
from lightning_flowers.errors import UserError
from lightning_flowers.files import atomic_file, write_text
from lightning_flowers.run.results import Run, read_run

LEFT_OUT = 1


def run(args: Sequence[str]) -> int:
    """Run `compare RUN ...` and return its exit status: 0, or 1 if a folder had to be left out.

    Raises:
        UserError: a mistake in the arguments, or no folder is that of a run.
    """
    given = make_parser().parse_intermixed_args(args)
    out = Path(given.out).expanduser() if given.out is not None else None
    if out and out.exists() and not out.is_dir():
        raise UserError(f"--out={out}: is a file: give a folder")
    runs, left_out = _read(given.runs)
    groups = group_runs(runs)
    sys.stdout.write(to_text(groups, left_out))
    if out:
        _write(out, groups, to_markdown(groups, left_out))
    if left_out:
        sys.stderr.write(
            f"lightning_flowers: left out {len(left_out)} of {len(given.runs)}: see the end of the tables\n"
        )
    return LEFT_OUT if left_out else 0


def make_parser() -> Parser:
    """The flags of `compare`."""
    parser = Parser("compare")
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="run folders, such as runs/*; files of `rehearse --json`"
    )
    parser.add_argument("--out", metavar="FOLDER", help="write compare.md, .csv and .png there, in place of older ones")
    return parser


def _read(paths: Sequence[str]) -> tuple[list[Run], list[str]]:
    """The runs, and why the other folders are left out, a line each."""
    if not paths:
        raise UserError("compare: give run folders, such as runs/*")
    runs: dict[str, Run] = {}
    left_out: list[str] = []
    for given in paths:
        place = os.path.realpath(given)
        try:
            if place in runs:
                raise UserError(f"{given}: given twice")
            path = Path(given)
            runs[place] = read_estimate(path) if path.suffix == ".json" and not path.is_dir() else read_run(path)
        except UserError as error:
            left_out.append(" ".join(str(error).split()))
        except OSError as error:
            left_out.append(f"{error.filename or given}: cannot be read: {error.strerror}")
    if not runs:
        raise UserError(f"compare: {'; '.join(left_out)}")
    return list(runs.values()), left_out


def _write(out: Path, groups: Sequence[Group], markdown: str) -> None:
    from lightning_flowers.compare.plot import draw, drawable  # imported late: matplotlib takes its time

    rows = drawable(groups)
    write_text(out / "compare.md", markdown)
    write_text(out / "compare.csv", to_csv(groups))
    with atomic_file(out / "compare.png") as part:
        draw(part, rows)
    ours = [row for group in groups for row in group.rows if not row.of_study]
    undrawn = len(ours) - sum(not row.of_study for row in rows)
    note = f"; {undrawn} without accuracy or seconds per epoch cannot be drawn" if undrawn else ""
    sys.stdout.write(f"\nwritten: {out / 'compare.md'}, .csv and .png{note}\n")
