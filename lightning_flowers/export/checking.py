"""Whether an exported file answers as the predictor does, and what its answers are worth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.confusion import Scores, confusion_matrix, scores
from lightning_flowers.export.pictures import Sample, odd_pictures
from lightning_flowers.use.predictor import Predictor

# Calibrated probabilities float32 (n, classes) of pictures uint8 (n, height, width, 3).
Answers = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
TOLERANCE = 1e-4
ODD_TOLERANCE = 5e-2  # of pictures that are resized: one value in a thousand is rounded another way


@dataclass(frozen=True)
class ExportResult:
    """A file, or the predictor that all are held against, and how far its answers are those of the predictor.

    Attributes:
        answers: what it answers.
        scores: None of made-up pictures.
        size: in bytes; this and what follows are None of the predictor.
        difference: the largest of a probability; `odd_difference` of pictures of other sizes.
        same_top: pictures with the same most probable class.
    """

    name: str
    answers: Answers
    scores: Scores | None
    size: int | None = None
    difference: float | None = None
    odd_difference: float | None = None
    same_top: int | None = None


class Reference:
    """The predictor's answers about a sample, and others' held against them."""

    def __init__(self, predictor: Predictor, sample: Sample) -> None:
        self._predictor, self.sample = predictor, sample

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """Float32 (pictures, classes)."""
        return self._all(self._predictor.probabilities_of, "predictor")

    def result(self) -> ExportResult:
        """The predictor itself."""
        return ExportResult("predictor", self._predictor.probabilities_of, self.score(self.probabilities))

    def check(self, answers: Answers, path: Path, same: bool = True) -> ExportResult:
        """Ask a file about all pictures.

        Args:
            same: fail unless its answers are the predictor's; those of a smaller variant are told, and need not be.

        Raises:
            UserError: they are not: not within the tolerance, or another class is the most probable.
        """
        found = self._all(answers, path.name)
        difference = float(np.abs(found - self.probabilities).max())
        odd = [(answers(one[None]), self._predictor.probabilities([one])) for one in odd_pictures()]
        odd_difference = max(float(np.abs(ours - theirs).max()) for ours, theirs in odd)
        same_top = int((found.argmax(1) == self.probabilities.argmax(1)).sum())
        # Written so that what is no number fails too.
        good = difference <= TOLERANCE and odd_difference <= ODD_TOLERANCE
        if same and not (good and same_top == len(self.sample)):
            raise UserError(
                f"{path.name}: does not answer as the run does, so it is not given: a probability differs by "
                f"{difference:.1e} ({odd_difference:.1e} where the picture is resized), the top class of "
                f"{len(self.sample) - same_top} of {self.sample.what}"
            )
        return ExportResult(
            path.name, answers, self.score(found), path.stat().st_size, difference, odd_difference, same_top
        )

    def score(self, probabilities: NDArray[np.float32]) -> Scores | None:
        """Scores of probabilities (pictures, classes); None without labels."""
        labels = self.sample.labels
        if labels is None:
            return None
        return scores(confusion_matrix(labels, probabilities.argmax(1), probabilities.shape[1]))

    def _all(self, answers: Answers, name: str) -> NDArray[np.float32]:
        bar = tqdm(total=len(self.sample), desc=f"checking {name}", unit="picture", leave=False, disable=None)
        found = []
        with bar:
            for pictures in self.sample.batches():
                found.append(answers(pictures))
                bar.update(len(pictures))
        return np.concatenate(found)
