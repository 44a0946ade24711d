"""Measures, before a run, whether augmenting holds up decoding."""

import time
import warnings
from collections.abc import Sequence

import numpy as np

from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.decode import decode_into
from lightning_flowers.errors import as_given


def warn_if_dear(augment: Augment, encoded: Sequence[bytes | memoryview], size: int, threads: int) -> None:
    """Warn if augmenting a picture takes longer than decoding it, on one thread.

    Args:
        augment: the pipeline; one for real pictures is best tried on them.
        encoded: JPEG or PNG files, at least one; 8 tell enough.
        size: side of the pictures in pixels.
        threads: that will do both.

    Raises:
        ValueError: one of the pictures cannot be decoded.
    """
    picture, out = np.empty((2, size, size, 3), np.uint8)
    decode, change = [], []
    for at, file in enumerate(encoded):
        start = time.perf_counter()
        decode_into(memoryview(file), picture)
        decoded = time.perf_counter()
        augment.into(picture, out, 0, 0, at)
        decode.append(decoded - start)
        change.append(time.perf_counter() - decoded)
    # Medians: the first picture pays for fresh memory, and another program may disturb one.
    decoding, augmenting = float(np.median(decode)), float(np.median(change))
    if augmenting > decoding:
        spec = f"={augment.spec}" if isinstance(augment.spec, str) else ""
        warnings.warn(
            as_given(
                f"--data.augment{spec}: {augmenting * 1e3:.2g} ms a picture, against {decoding * 1e3:.2g} ms for "
                f"decoding it: {threads} threads give at most {threads / (decoding + augmenting):,.0f} pictures/s"
            ),
            stacklevel=2,
        )
