"""Logarithms of probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def log_probabilities(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """float64 log p, -inf for 0, in the shape of `probabilities`."""
    return np.log(probabilities, out=np.full(probabilities.shape, -np.inf), where=probabilities > 0, dtype=np.float64)


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 log of the softmax over the last axis, each row of which has a finite logit."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
