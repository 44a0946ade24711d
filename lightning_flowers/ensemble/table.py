"""The candidates as a Markdown table."""

from collections.abc import Sequence

from lightning_flowers.ensemble.result import Outcome
from lightning_flowers.ensemble.scoring import Candidate
from lightning_flowers.markdown import NOTHING, join, markdown_table, number

_FIGURES = ("macro F1", "cross-validated", "accuracy", "log loss", "ECE")
NOTES = """\
Scores are of val, macro F1 over all classes. "cross-validated" is the figure to compare: weights, best run and decision
are fitted on the other of five folds; the rest are of the records that they were fitted on."""


def to_markdown(outcome: Outcome) -> str:
    """A row for each candidate, the one that was taken marked, and notes."""
    header = ["blend", "method", *_FIGURES, "taken", "weights"]
    names = outcome.members.names
    rows = [_cells(names, one, one is outcome.taken) for one in outcome.candidates]
    return f"{markdown_table(header, rows, _FIGURES)}\n\n{NOTES}\n"


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
