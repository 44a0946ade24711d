"""What was made, how large and fast it is, and how good."""

from collections.abc import Sequence
from dataclasses import dataclass

from lightning_flowers.evaluation.confusion import Scores
from lightning_flowers.export.checking import Expected, Found
from lightning_flowers.markdown import NOTHING, markdown_table, number

_HEADER = ("file", "MB", "ms/picture", "speed", "differs by", "resized", "same top", "val macro F1", "val accuracy")


@dataclass(frozen=True)
class Made:
    """A file, or the predictor that all are held against.

    Attributes:
        size: in bytes; None of the predictor.
        found: None of the predictor.
    """

    name: str
    size: int | None
    found: Found | None
    scores: Scores | None


def table(made: Sequence[Made], milliseconds: dict[str, float], reference: str) -> str:
    """A row for each.

    Args:
        milliseconds: that one picture takes each.
        reference: to which speeds are relative.
    """
    return markdown_table(_HEADER, [_row(one, milliseconds, reference) for one in made], _HEADER[1:])


def notes(expected: Expected, threads: int, reference: str) -> list[str]:
    """What the table's figures are of."""
    return [
        f"Checked on {expected.sample.what}. Differences are the largest of a probability, from the predictor's; "
        "`resized` those of made-up pictures of other sizes.",
        f"Speeds: one picture a batch on this CPU, {threads} thread{'s' * (threads != 1)}, medians of runs in turns; "
        f"times as fast as {reference}.",
    ]


def score_lines(expected: Expected) -> list[str]:
    """The predictor's scores for a model card."""
    found = expected.score(expected.probabilities)
    if found is None:
        return ["Not known: its val pictures were not to be had when it was exported."]
    return [
        f"On {expected.sample.what}: macro F1 {found.macro_f1:.4f} over all classes, {found.macro_f1_present:.4f} over "
        f"those present, accuracy {found.accuracy:.4f}. The best epoch was chosen on val."
    ]


def _row(one: Made, milliseconds: dict[str, float], reference: str) -> list[str]:
    taken = milliseconds.get(one.name)
    return [
        one.name,
        number(one.size and one.size / 1e6, 1),
        number(taken, 1),
        number(taken and milliseconds[reference] / taken, 2),
        f"{one.found.difference:.1e}" if one.found else NOTHING,
        f"{one.found.odd_difference:.1e}" if one.found else NOTHING,
        str(one.found.same_top) if one.found else NOTHING,
        number(one.scores and one.scores.macro_f1, 4),
        number(one.scores and one.scores.accuracy, 4),
    ]
