"""Answers as a table, as CSV or as JSON: texts to be written, each picture's as soon as it is there."""

import json
from collections.abc import Iterable, Iterator, Sequence

from lightning_flowers.files import csv_text
from lightning_flowers.use.predictor import Guess

Answer = tuple[str, list[Guess] | str]  # the name of a picture, and its guesses or why there are none


def as_table(answers: Iterable[Answer], names: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """Rows for people, and a heading above the first.

    Args:
        names: of all pictures that are going to come.
        classes: names of the classes.
    """
    widths = [max(map(len, (heading, *some))) for heading, some in (("picture", names), ("flower", classes))]

    def row(name: str, flower: str, probability: str, others: str) -> str:
        return f"{name:<{widths[0]}}  {flower:<{widths[1]}}  {probability:>6}  {others}".rstrip() + "\n"

    heading = row("picture", "flower", "", "or else")
    for name, found in answers:
        if not isinstance(found, str):
            first, *others = found
            or_else = ", ".join(f"{one.name} {percent(one)}" for one in others)
            yield heading + row(name, first.name, percent(first), or_else)
            heading = ""


def as_csv(answers: Iterable[Answer], top: int) -> Iterator[str]:
    """picture,label,name,probability, then name_2,probability_2 and so on; a picture without answer has no row.

    Args:
        top: how many classes of each picture.
    """
    others = [f"{what}_{place}" for place in range(2, top + 1) for what in ("name", "probability")]
    yield csv_text(["picture", "label", "name", "probability", *others], [])
    for name, found in answers:
        if not isinstance(found, str):
            values = [value for guess in found for value in (guess.name, f"{guess.probability:.6f}")]
            yield csv_text([name, str(found[0].label), *values], [])


def as_json(answers: Iterable[Answer]) -> Iterator[str]:
    """A list with an object for each picture: `picture`, and `guesses` (label, name, probability) or `error`."""
    before = "[\n"
    for name, found in answers:
        told = {"error": found} if isinstance(found, str) else {"guesses": [vars(guess) for guess in found]}
        yield f"{before}  {json.dumps({'picture': name, **told})}"
        before = ",\n"
    yield "\n]\n"


def percent(guess: Guess) -> str:
    """A probability for people, who are never told that something is certain or cannot be."""
    if guess.probability < 0.001:
        return "<0.1 %"
    return f"{min(100 * guess.probability, 99.9):.1f} %"
