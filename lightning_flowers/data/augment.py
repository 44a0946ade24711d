"""Augmentation of one uint8 picture, the same for the same (seed, epoch, record) whichever thread draws it."""

import os
import threading
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it must not ask the network for a newer release
import albumentations as A

Preset = Literal["none", "flips", "study"]


def _flips(size: int) -> list[A.BasicTransform | A.BaseCompose]:
    return [A.HorizontalFlip(p=0.5)]


def _study(size: int) -> list[A.BasicTransform | A.BaseCompose]:
    return [
        A.HorizontalFlip(p=0.5),
        A.VerticalFlip(p=0.5),
        A.RandomResizedCrop(size=(size, size), scale=(0.5, 1.0)),
        A.Rotate(limit=30, border_mode=0, p=0.5),
        A.ColorJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(0, 0), p=0.5),
    ]


PRESETS: dict[Preset, Callable[[int], list[A.BasicTransform | A.BaseCompose]]] = {
    "none": lambda size: [],
    "flips": _flips,
    "study": _study,
}


class Augment:
    """A preset's pipeline for pictures of one size.

    Args:
        preset: `none`; `flips` (mirrored left to right with probability 1/2); `study` (both flips, random crop,
            rotation, brightness, contrast and saturation, as in the seed study).
        size: side of the pictures in pixels.
    """

    def __init__(self, preset: Preset, size: int) -> None:
        self._transforms = PRESETS[preset](size)
        self._size = size
        self._preset: Preset = preset
        self._local = threading.local()

    def __bool__(self) -> bool:
        return bool(self._transforms)

    def __call__(self, picture: NDArray[np.uint8], *key: int) -> NDArray[np.uint8]:
        """Augment an RGB picture (size, size, 3) with the random numbers of `key` (seed, epoch, record)."""
        pipeline = self._pipeline()
        pipeline.set_random_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        return pipeline(image=picture)["image"]

    def _pipeline(self) -> A.Compose:
        # A pipeline holds its random state: each thread has one of its own.
        if not hasattr(self._local, "pipeline"):
            self._local.pipeline = A.Compose(PRESETS[self._preset](self._size))
        return self._local.pipeline
