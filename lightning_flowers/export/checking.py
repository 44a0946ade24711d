"""Whether an exported file answers as the predictor does, and what its answers are worth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

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
class Found:
    """How far answers are those of the predictor.

    Attributes:
        difference: the largest of a probability; `odd_difference` of pictures of other sizes.
        same_top: pictures with the same most probable class.
        scores: None of made-up pictures.
    """

    difference: float
    odd_difference: float
    same_top: int
    scores: Scores | None


class Expected:
    """The predictor's answers about a sample, and others' held against them."""

    def __init__(self, predictor: Predictor, sample: Sample) -> None:
        self._predictor, self.sample = predictor, sample

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """Float32 (pictures, classes)."""
        return self._all(self._predictor.probabilities_of, "predictor")

    def compare(self, answers: Answers, name: str) -> Found:
        """Ask about all pictures.

        Args:
            name: of the file, for people.
        """
        found = self._all(answers, name)
        same = found.argmax(1) == self.probabilities.argmax(1)
        odd = [(answers(one[None]), self._predictor.probabilities([one])) for one in odd_pictures()]
        return Found(
            float(np.abs(found - self.probabilities).max()),
            max(float(np.abs(ours - theirs).max()) for ours, theirs in odd),
            int(same.sum()),
            self.score(found),
        )

    def require(self, answers: Answers, name: str) -> Found:
        """Compare, and fail unless answers are the same.

        Raises:
            UserError: they are not: not within the tolerance, or another class is the most probable.
        """
        found = self.compare(answers, name)
        # Written so that what is no number fails too.
        good = found.difference <= TOLERANCE and found.odd_difference <= ODD_TOLERANCE
        if not good or found.same_top < len(self.sample):
            raise UserError(
                f"{name}: does not answer as the run does, so it is not given: a probability differs by "
                f"{found.difference:.1e} ({found.odd_difference:.1e} where the picture is resized), the top class of "
                f"{len(self.sample) - found.same_top} of {self.sample.what}"
            )
        return found

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
