"""Answers as a table, as CSV or as JSON, each picture's as soon as it is there."""

import csv
import io
import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lightning_flowers.use.predictor import Guess

Write = Callable[[str], Any]


class Writer(Protocol):
    """How answers are shown."""

    def begin(self) -> None:
        """Write what comes before the first."""

    @abstractmethod
    def answer(self, name: str, guesses: Sequence[Guess]) -> None:
        """Write those to a picture."""

    def failure(self, name: str, why: str) -> None:
        """Write that there is none, where stderr is not enough."""

    def end(self) -> None:
        """Write what comes after the last."""


class TableWriter(Writer):
    """Rows for people, and a heading above the first.

    Args:
        write: takes text.
        names: of all pictures that are going to come.
        classes: names of the classes.
    """

    def __init__(self, write: Write, names: Sequence[str], classes: Sequence[str]) -> None:
        self._write, self._begun = write, False
        self._widths = [max(map(len, (heading, *some))) for heading, some in (("picture", names), ("flower", classes))]

    def answer(self, name: str, guesses: Sequence[Guess]) -> None:
        if not self._begun:
            self._row("picture", "flower", "", "or else")
            self._begun = True
        first, *others = guesses
        self._row(name, first.name, percent(first), ", ".join(f"{one.name} {percent(one)}" for one in others))

    def _row(self, name: str, flower: str, probability: str, others: str) -> None:
        left = f"{name:<{self._widths[0]}}  {flower:<{self._widths[1]}}"
        self._write(f"{left}  {probability:>6}  {others}".rstrip() + "\n")


class CsvWriter(Writer):
    """picture,label,name,probability, then name_2,probability_2 and so on; a picture without answer has no row.

    Args:
        top: how many classes of each picture.
    """

    def __init__(self, write: Write, top: int) -> None:
        self._write, self._top = write, top

    def begin(self) -> None:
        others = [f"{what}_{place}" for place in range(2, self._top + 1) for what in ("name", "probability")]
        self._row(["picture", "label", "name", "probability", *others])

    def answer(self, name: str, guesses: Sequence[Guess]) -> None:
        values = [value for guess in guesses for value in (guess.name, f"{guess.probability:.6f}")]
        self._row([name, guesses[0].label, *values])

    def _row(self, cells: Sequence[object]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._write(line.getvalue())


class JsonWriter(Writer):
    """A list with an object for each picture: `picture`, and `guesses` (label, name, probability) or `error`."""

    def __init__(self, write: Write) -> None:
        self._write, self._before = write, "[\n"

    def answer(self, name: str, guesses: Sequence[Guess]) -> None:
        self._object({"picture": name, "guesses": [vars(guess) for guess in guesses]})

    def failure(self, name: str, why: str) -> None:
        self._object({"picture": name, "error": why})

    def end(self) -> None:
        self._write("\n]\n" if self._before == ",\n" else "[]\n")

    def _object(self, found: dict[str, Any]) -> None:
        self._write(f"{self._before}  {json.dumps(found)}")
        self._before = ",\n"


def percent(guess: Guess) -> str:
    """A probability for people, who are never told that something is certain or cannot be."""
    if guess.probability < 0.001:
        return "<0.1 %"
    return f"{min(100 * guess.probability, 99.9):.1f} %"
