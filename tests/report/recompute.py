"""The figures of a report, computed anew from predictions/val.npz: by numpy, scikit-learn and scipy, none of ours."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

BINS = 15


def recompute(path: Path) -> dict[str, Any]:
    """All that can be known from the predictions in a file."""
    with np.load(path) as arrays:
        ids, labels, probabilities = arrays["ids"], arrays["labels"], arrays["probabilities"].astype(np.float64)
    classes = range(probabilities.shape[1])
    predicted = probabilities.argmax(1)
    present = sorted({*labels.tolist(), *predicted.tolist()})
    temperature = fit_temperature(probabilities, labels)
    softened = np.exp(log_softmax(np.log(probabilities) / temperature, axis=1))
    return {
        "macro-f1": f1_score(labels, predicted, labels=classes, average="macro", zero_division=0.0),  # pyright: ignore
        "macro-f1-present": f1_score(labels, predicted, labels=present, average="macro", zero_division=0.0),  # pyright: ignore
        "accuracy": accuracy_score(labels, predicted),
        "loss": nll(probabilities, labels),
        "classes": np.array(
            precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0.0)  # pyright: ignore
        ).T,
        "predicted": [int((predicted == label).sum()) for label in classes],
        "confusion": confusion_matrix(labels, predicted, labels=classes),
        "pairs": mistaken(confusion_matrix(labels, predicted, labels=classes)),
        "worst": sorted(range(len(ids)), key=lambda record: probabilities[record, labels[record]]),
        "unsure": sorted(range(len(ids)), key=lambda record: margin(probabilities[record])),
        "temperature": temperature,
        "ece-before": ece(probabilities, labels),
        "ece-after": ece(softened, labels),
        "nll-before": nll(probabilities, labels),
        "nll-after": nll(softened, labels),
        "ids": ids,
        "labels": labels,
        "probabilities": probabilities,
    }


def nll(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean loss; scikit-learn wants rows that sum to 1 as closely as float64 can."""
    rows = probabilities / probabilities.sum(1, keepdims=True)
    return float(log_loss(labels, rows, labels=range(rows.shape[1])))


def margin(row: np.ndarray) -> float:
    """Of the two most probable classes."""
    second, first = np.sort(row)[-2:]
    return float(first - second)


def ece(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error, record by record: bins ((m-1)/15, m/15]."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    total = 0.0
    for number in range(BINS):
        inside = (confidence > number / BINS) & (confidence <= (number + 1) / BINS)
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - confidence[inside].mean())
    return total / len(labels)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """By Brent's method on the loss as a function of 1/T, in which it is convex; 1 where it falls without end."""
    logits = np.log(probabilities)
    own = logits[np.arange(len(labels)), labels]
    if (own == logits.max(1)).all():
        return 1.0
    found = minimize_scalar(
        lambda inverse: float(np.mean(logsumexp(inverse * logits, axis=1) - inverse * own)), bracket=(0.5, 1.5)
    )
    return 1 / float(found.x)  # pyright: ignore


def mistaken(confusion: np.ndarray) -> dict[tuple[int, int], int]:
    """How many records of each pair of classes, (true, predicted), were mistaken."""
    pairs = zip(*np.nonzero(confusion), strict=True)
    return {(int(a), int(b)): int(confusion[a, b]) for a, b in pairs if a != b}
