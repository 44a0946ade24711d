"""Measures, before a run, whether augmenting holds up decoding."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.decode import decode_into
from lightning_flowers.errors import as_given

ROUNDS = 2  # the quicker one counts: the first pays for fresh memory, and another program may disturb one


class Costs(NamedTuple):
    """Mean seconds a picture, on one thread.

    decode: from JPEG or PNG to uint8 RGB.
    augment: by the pipeline.
    """

    decode: float
    augment: float


def measure(augment: Augment, encoded: Sequence[bytes | memoryview], size: int) -> Costs:
    """Time decoding and augmenting of some pictures; a pipeline for real pictures is best tried on them.

    Args:
        augment: the pipeline.
        encoded: JPEG or PNG files, at least one; 8 tell enough.
        size: side of the pictures in pixels.

    Raises:
        ValueError: one of the pictures cannot be decoded.
    """
    pictures = np.empty((len(encoded), size, size, 3), np.uint8)
    out = np.empty_like(pictures)
    decode = _seconds(lambda at, _: decode_into(memoryview(encoded[at]), pictures[at]), len(encoded))
    # Each round with other random numbers, for what a picture costs hangs on them.
    return Costs(decode, _seconds(lambda at, turn: augment.into(pictures[at], out[at], 0, turn, at), len(encoded)))


def warn_if_dear(augment: Augment, encoded: Sequence[bytes | memoryview], size: int, threads: int) -> None:
    """Warn if augmenting a picture takes longer than decoding it. Arguments as for `measure`."""
    costs = measure(augment, encoded, size)
    if costs.augment > costs.decode:
        spec = f"={augment.spec}" if isinstance(augment.spec, str) else ""
        warnings.warn(
            as_given(
                f"--data.augment{spec}: {costs.augment * 1e3:.2g} ms a picture, against {costs.decode * 1e3:.2g} ms "
                f"for decoding it: {threads} threads give at most {threads / sum(costs):,.0f} pictures/s"
            ),
            stacklevel=2,
        )


def _seconds(work: Callable[[int, int], object], count: int) -> float:
    rounds = []
    for turn in range(ROUNDS):
        start = time.perf_counter()
        for at in range(count):
            work(at, turn)
        rounds.append((time.perf_counter() - start) / count)
    return min(rounds)
