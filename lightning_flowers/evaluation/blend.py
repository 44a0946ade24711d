"""Ways to blend the probabilities of several runs: each is a weighted sum of something, made probabilities again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RANK_CONSTANT = 60


class Method(NamedTuple):
    """A way to blend.

    prepare: turns probabilities (..., classes) into the float64 terms that are summed.
    finish: turns their weighted mean (records, classes) into float64 probabilities, each row summing to 1.
    """

    prepare: Callable[[NDArray[np.floating[Any]]], NDArray[np.float64]]
    finish: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def reciprocal_ranks(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """1 / (60 + rank) of each class in its record; the most probable has rank 1, equals their mean rank.

    Reciprocal rank fusion sums these: Cormack, Clarke and Büttcher 2009.
    """
    from scipy.stats import rankdata  # late: scipy takes its time

    return 1 / (RANK_CONSTANT + rankdata(-probabilities, axis=-1))


def _logs(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    # The smallest normal float32 stands for 0, with which one run alone could rule a class out for all.
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=np.float64))


def _divide_by_sum(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    return terms / terms.sum(-1, keepdims=True)


METHODS = {
    "arithmetic": Method(lambda probabilities: probabilities.astype(np.float64), _divide_by_sum),
    "geometric": Method(_logs, lambda terms: _divide_by_sum(np.exp(terms - terms.max(-1, keepdims=True)))),
    "ranks": Method(reciprocal_ranks, _divide_by_sum),
}


class Terms:
    """The members' predictions of a split, made ready to be blended in one way with any weights.

    Args:
        method: of METHODS.
        probabilities: float (members, records, classes).

    Attributes:
        values: float64 (members, records, classes).
    """

    def __init__(self, method: str, probabilities: NDArray[np.floating[Any]]) -> None:
        self.method = METHODS[method]
        self.values = self.method.prepare(probabilities)

    def blend(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Probabilities, float32 (records, classes), each row summing to 1.

        Args:
            weights: float64 (members,), none below 0, their sum over 0.
        """
        mean: Any = np.tensordot(weights / weights.sum(), self.values, 1)
        return self.finish(mean)

    def finish(self, mean: NDArray[np.float64]) -> NDArray[np.float32]:
        """The probabilities of a weighted mean of `values`, (records, classes)."""
        return self.method.finish(mean).astype(np.float32)
