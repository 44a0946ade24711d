"""How far probabilities can be believed, and the temperature that mends them: Guo et al. 2017, arXiv:1706.04599."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.evaluation.cross_validation import out_of_fold

COOLEST, HOTTEST = 0.05, 20.0


class Reliability(NamedTuple):
    """Records in bins of their top probability, all of shape (bins,).

    confidence: float64, mean top probability; nan where the bin is empty.
    accuracy: float64, share of records whose top class is their label; nan where the bin is empty.
    count: int64, records.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]  # pyright: ignore[reportIncompatibleMethodOverride]


@dataclass(frozen=True)
class Calibration:
    """A temperature, and what it changes.

    Attributes:
        temperature: of all records.
        nll_before, nll_after, nll_cross_validated: mean log loss, of probabilities as they are, softened with
            `temperature`, and softened with that of the other folds.
        ece_before, ece_after, ece_cross_validated: their expected calibration error, 0..1.
    """

    temperature: float
    nll_before: float
    nll_after: float
    nll_cross_validated: float
    ece_before: float
    ece_after: float
    ece_cross_validated: float


def log_probabilities(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """float64 log p, -inf for 0, in the shape of `probabilities`."""
    return np.log(probabilities, out=np.full(probabilities.shape, -np.inf), where=probabilities > 0, dtype=np.float64)


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 log of the softmax over the last axis, each row of which has a finite logit."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def reliability(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], bins: int = 15) -> Reliability:
    """How often the top class is right, by its probability: bins of equal width, ((m-1)/bins, m/bins], as in Guo et al.

    Args:
        probabilities: float (records, classes).
        labels: int64 (records,), in 0..classes-1.
    """
    top = probabilities.max(1).astype(np.float64)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.searchsorted(edges, top, "left") - 1, 0, bins - 1)  # float32 may sum to a little over 1
    count = np.bincount(bin_of, minlength=bins)
    confidence = _mean_in_bins(top, bin_of, count)
    accuracy = _mean_in_bins((probabilities.argmax(1) == labels).astype(np.float64), bin_of, count)
    return Reliability(confidence, accuracy, count)


def expected_calibration_error(found: Reliability) -> float:
    """The mean over records of |accuracy - confidence| of their bin (Guo et al., equation 3), 0..1; nan for none."""
    if not found.count.any():
        return float("nan")
    return float(np.nansum(found.count * np.abs(found.accuracy - found.confidence)) / found.count.sum())


def soften(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float32]:
    """Probabilities as if the logits had been divided by a temperature: softmax(log p / T).

    Args:
        probabilities: float (records, classes), a row not all 0; a probability of 0 stays 0.
        temperature: over 0; 1 changes nothing but the sum of rows that was not 1.

    Returns:
        float32 (records, classes), each row summing to 1.
    """
    return np.exp(log_softmax(log_probabilities(probabilities) / temperature)).astype(np.float32)


def log_loss(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """The mean of -log p of the label, in nats; nan for no record.

    A probability below the smallest normal float32 (1.2e-38), where softmax ends, counts as that: a loss of 87.3.
    """
    if not len(labels):
        return float("nan")
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).mean())


def fit_temperature(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """The temperature in 0.05..20 with the lowest log loss.

    It is 1 where no record's label is beaten by another class, as with no record at all: there the loss falls without
    end as the temperature does. A label of probability 0, which no temperature changes, is left out.
    """
    of_label = probabilities[np.arange(len(labels)), labels]
    known = of_label > 0
    if (of_label[known] >= probabilities[known].max(1)).all():
        return 1.0
    from scipy.optimize import minimize_scalar  # late: scipy takes its time

    logs, wanted = log_probabilities(probabilities[known]), labels[known]
    records = np.arange(len(wanted))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logs / np.exp(log_temperature))[records, wanted].mean())

    bounds = (float(np.log(COOLEST)), float(np.log(HOTTEST)))
    found: Any = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def calibrate(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Calibration:
    """Fit a temperature, and tell what it changes, on the same records and on those it was not fitted on.

    Args:
        probabilities: float (records, classes).
        labels: int64 (records,), at least one.
    """
    temperature = fit_temperature(probabilities, labels)
    after = soften(probabilities, temperature)
    held_out = out_of_fold(
        labels, lambda fit, rest: soften(probabilities[rest], fit_temperature(probabilities[fit], labels[fit]))
    )
    three = (probabilities, after, held_out)
    losses = [log_loss(one, labels) for one in three]
    errors = [expected_calibration_error(reliability(one, labels)) for one in three]
    return Calibration(temperature, *losses, *errors)


def _mean_in_bins(
    values: NDArray[np.float64], bin_of: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    sums = np.bincount(bin_of, values, len(count))
    return np.divide(sums, count, out=np.full(len(count), np.nan), where=count > 0)
