"""Memory that batches of pictures are made in, used again once nobody holds them any more."""

import math
import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Bytes that pictures begin behind what torch allocates, which begins at a multiple of 64. Rows at multiples of 32
# libjpeg-turbo writes past the cache (AVX2's vmovntdq), and mirroring them then waits for memory: 85 us in place of 15
# for a picture of 512 px. A few bytes alone would have a copy's loads alias the stores before them: kept pictures, and
# large allocations, begin where a page does.
_SHIFT = 528


class Buffers:
    """Buffers for batches of one size at a time. One thread takes them; any may let them go.

    Args:
        pin: whether they lie in page-locked memory, for asynchronous copies to a GPU.
    """

    def __init__(self, pin: bool) -> None:
        self._pin = pin
        self._free: list[NDArray[np.uint8]] = []

    def take(self, batch: int, size: int) -> tuple[Tensor, NDArray[np.uint8]]:
        """Pictures uint8 (batch, 3, size, size), and the same memory as (batch, size, size, 3); both not set yet."""
        shape = (batch, size, size, 3)
        if self._pin:  # torch keeps page-locked memory itself, and waits for copies out of it
            image = _empty(shape, pin=True)
            return image.permute(0, 3, 1, 2), image.numpy()
        buffer = self._free.pop() if self._free else _empty(shape, pin=False).numpy()
        # Turned here: torch's own operations let go of the GIL, and then wait for the threads to give it back.
        view = buffer.transpose(0, 3, 1, 2)
        # Fresh pages cost as much as decoding into them, so a buffer comes back once no tensor uses it any more: the
        # tensor's storage is what holds the view.
        weakref.finalize(view, self._free.append, buffer).atexit = False
        return torch.from_numpy(view), buffer


def _empty(shape: tuple[int, ...], pin: bool) -> Tensor:
    return torch.empty(math.prod(shape) + _SHIFT, dtype=torch.uint8, pin_memory=pin)[_SHIFT:].view(shape)
