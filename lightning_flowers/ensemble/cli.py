"""The command line of `ensemble`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from lightning_flowers.cli.parsing import Parser
from lightning_flowers.ensemble.members import read_members
from lightning_flowers.ensemble.result import Method, Options, Outcome, blend_members, parse_weights
from lightning_flowers.ensemble.scoring import Candidate
from lightning_flowers.ensemble.write import write_blend
from lightning_flowers.evaluation.decision import Decision
from lightning_flowers.markdown import NOTHING, join, markdown_table, number
from lightning_flowers.report.at_exit import leave_report
from lightning_flowers.run.folder import RunFolder

_FIGURES = ("macro F1", "cross-validated", "accuracy", "log loss", "ECE")
_NOTES = """\
Scores are of val, macro F1 over all classes. "cross-validated" is the figure to compare: weights, best run and decision
are fitted on the other of five folds; the rest are of the records that they were fitted on."""


def run(args: Sequence[str]) -> int:
    """Run `ensemble RUN RUN ...` and return its exit status, 0.

    Raises:
        UserError: a mistake in the arguments, or runs that cannot be blended.
    """
    given = make_parser().parse_intermixed_args(args)
    # By their places, so that the order in which runs are given changes nothing, not even a sum's last bit.
    order = sorted(range(len(given.runs)), key=lambda number: os.path.realpath(given.runs[number]))
    weights = parse_weights(given.weights, len(order))
    sorted_weights = weights if isinstance(weights, str) else tuple(weights[number] for number in order)
    members = read_members([Path(given.runs[number]) for number in order])
    outcome = blend_members(members, Options(given.method, sorted_weights, given.decision))
    folder = RunFolder.new(Path(given.runs_dir), given.name)
    lines = write_blend(folder, outcome)
    page = f"report     {leave_report(folder.path)}"
    sys.stdout.write("\n".join([_table(outcome), *lines, page]) + "\n")
    if outcome.warning:
        sys.stderr.write(f"warning: {outcome.warning}\n")
    return 0


def make_parser() -> Parser:
    """The flags of `ensemble`."""
    parser = Parser("ensemble")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="folders of two runs or more, such as runs/*")
    parser.add_argument(
        "--method",
        choices=get_args(Method),
        default="arithmetic",
        help="how probabilities are blended (default: arithmetic)",
    )
    parser.add_argument(
        "--weights",
        default="auto",
        help="search (for macro F1 on val), equal, auto (that of the two with the better cross-validated score, the "
        "default), or numbers: 0.5,0.3,0.2",
    )
    parser.add_argument(
        "--decision",
        choices=get_args(Decision),
        default="argmax",
        help="how the submission's labels are chosen: adjusted is fitted on val for macro F1 (default: argmax)",
    )
    parser.add_argument("--name", default="ensemble", help="the new folder's name (default: ensemble)")
    parser.add_argument("--runs_dir", default="runs", metavar="FOLDER", help="where it is made (default: runs)")
    return parser


def _table(outcome: Outcome) -> str:
    """A row for each candidate, the one that was taken marked, and notes."""
    header = ["blend", "method", *_FIGURES, "taken", "weights"]
    names = outcome.members.names
    rows = [_cells(names, one, one is outcome.taken) for one in outcome.candidates]
    return f"{markdown_table(header, rows, _FIGURES)}\n\n{_NOTES}\n"


def _cells(names: Sequence[str], candidate: Candidate, taken: bool) -> list[str]:
    figures = (
        candidate.in_sample.macro_f1,
        candidate.cross_validated,
        candidate.in_sample.accuracy,
        candidate.log_loss,
        candidate.calibration_error,
    )
    shares = (f"{weight:.3f} {name}" for name, weight in zip(names, candidate.weights, strict=True) if weight)
    return [
        candidate.name,
        candidate.method or NOTHING,
        *(number(figure, 4) for figure in figures),
        "yes" if taken else "",
        join(shares),
    ]
