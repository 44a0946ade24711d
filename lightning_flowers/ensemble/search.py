"""Weights that lift macro F1: ensemble selection with replacement, Caruana et al. 2004."""

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.evaluation.blend import Terms
from lightning_flowers.evaluation.calibration import log_loss
from lightning_flowers.evaluation.decision import macro_f1

ROUNDS = 40

# Macro F1, then minus the log loss: the greater of two is the better.
Score = tuple[float, float]


def search_weights(
    terms: Terms, labels: NDArray[np.int64], records: NDArray[np.int64], rounds: int = ROUNDS
) -> NDArray[np.float64]:
    """The weights with the highest macro F1 over all classes, float64 (members,), that sum to 1.

    The best member is taken first, then in each round the one, taken before or not, that makes the mean of all taken
    the best; the best of these means is kept. So it is never below the best member on these records. Of equals that
    with the lower log loss is better, then that with fewer members, then the earlier member.

    Args:
        labels: int64 (records,), of all records of `terms`.
        records: int64, positions of those to search with.
    """
    values, labels = terms.values[:, records], labels[records]
    taken = np.zeros(len(values), np.int64)
    total = np.zeros(values.shape[1:])
    best, best_score = taken, (-1.0, 0.0)
    for size in range(1, rounds + 1):
        member, score = _best_next(terms, values, total, size, labels)
        total = total + values[member]
        taken[member] += 1
        if score > best_score:
            best, best_score = taken.copy(), score
    return best / best.sum()


def best_member(terms: Terms, labels: NDArray[np.int64], records: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weights that leave only the member with the highest macro F1 on these records, as in `search_weights`."""
    return search_weights(terms, labels, records, rounds=1)


def _best_next(
    terms: Terms, values: NDArray[np.float64], total: NDArray[np.float64], size: int, labels: NDArray[np.int64]
) -> tuple[int, Score]:
    """The member to take as the `size`-th, and the score of the mean that it makes."""
    # As float32, which the blend will be: sums of the same terms in another order are the same then.
    summed = np.empty(total.shape, np.float32)
    found = np.zeros(len(values))
    for member, one in enumerate(values):
        np.add(total, one, out=summed, dtype=np.float64, casting="same_kind")
        found[member] = macro_f1(labels, summed.argmax(1), total.shape[1])
    equals = np.flatnonzero(found == found.max())
    # The log loss costs more than the rest, and is asked for among equals only.
    losses = [log_loss(terms.finish((total + values[one]) / size), labels) for one in equals]
    first = int(np.argmin(losses))
    return int(equals[first]), (float(found.max()), -losses[first])
