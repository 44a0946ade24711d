"""Augmentation of one uint8 picture, the same for the same (seed, epoch, record) whichever thread draws it."""

import copy
import random
import threading
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.augmentation.pipelines import find_fault, load_pipeline, read_pipeline
from lightning_flowers.data.augmentation.transforms import A
from lightning_flowers.errors import UserError

Preset = Literal["none", "flips", "study", "affine"]
Picture = NDArray[np.uint8]

# Per preset, the pipeline for pictures of one size; all but `flips` are run by albumentations.
PRESETS: dict[Preset, Callable[[int], list[Any]]] = {
    "none": lambda size: [],
    "flips": lambda size: [{"HorizontalFlip": {"p": 0.5}}],
    "study": lambda size: [
        {"HorizontalFlip": {"p": 0.5}},
        {"VerticalFlip": {"p": 0.5}},
        {"RandomResizedCrop": {"size": (size, size), "scale": (0.5, 1.0)}},
        {"Rotate": {"limit": 30, "border_mode": cv2.BORDER_CONSTANT, "p": 0.5}},
        {
            "ColorJitter": {
                **dict.fromkeys(("brightness", "contrast", "saturation"), (0.8, 1.2)),
                "hue": (0, 0),
                "p": 0.5,
            }
        },
    ],
    "affine": lambda size: [{"KernelAffine": {"p": 1.0}}],
}


class Augment:
    """A pipeline for pictures of one size.

    Args:
        spec: a preset, a YAML file, or a pipeline as such a file holds it (`pipelines.read_pipeline`). The presets are
            `none`; `flips` (mirrored left to right with probability 1/2); `study` (both flips, random crop, rotation,
            brightness, contrast and saturation, as in the seed study); `affine` (the rotation kernel's matrix,
            `affine.py`).
        size: side of the pictures in pixels.

    Attributes:
        spec: as given.
        content: as given, or what the file holds.
        pipeline: as albumentations has it; each thread runs a copy.

    Raises:
        UserError: neither a preset nor a file, or a pipeline that cannot be.
    """

    def __init__(self, spec: str | list[Any] | dict[str, Any], size: int) -> None:
        self.spec = spec
        preset = PRESETS.get(spec) if isinstance(spec, str) else None  # pyright: ignore[reportArgumentType]
        if preset is None and isinstance(spec, str):
            _check_is_file(spec)
        self.content = load_pipeline(spec) if isinstance(spec, str) and preset is None else spec
        self.pipeline = read_pipeline(preset(size) if preset else spec, size)
        self._apply = _flip if spec == "flips" else _Pipeline(self.pipeline)

    def __bool__(self) -> bool:
        """Whether it changes pictures."""
        return len(self.pipeline.transforms) > 0

    def into(self, picture: Picture, out: Picture, seed: int, epoch: int, record: int) -> None:
        """Write the augmented picture into `out`.

        Args:
            picture: uint8 (size, size, 3), RGB; not changed, unless it is `out`.
            out: uint8 (size, size, 3), C-contiguous; overwritten.
            seed: of the run.
            epoch: counted from 0.
            record: position in the split.

        Raises:
            UserError: the pipeline gives another size or type for this picture.
        """
        self._apply(picture, out, random_bits(seed, epoch, record))

    def __call__(self, picture: Picture, *key: int) -> Picture:
        """A new picture, augmented with the random numbers of `key` (seed, epoch, record)."""
        out = np.empty_like(picture)
        self.into(picture, out, *key)
        return out


def random_bits(*key: int) -> int:
    """64 random bits, the same for the same numbers; another number or another order gives others.

    Each number is added to the bits so far and mixed by the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast
    splittable pseudorandom number generators", 2014; constants as in Vigna's splitmix64.c).
    """
    bits = 0
    for number in key:
        bits = (bits + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        bits ^= bits >> 31
    return bits


def _flip(picture: Picture, out: Picture, bits: int) -> None:
    if bits & 1:
        cv2.flip(picture, 1, dst=out)
    elif picture is not out:
        np.copyto(out, picture)


class _Pipeline:
    """Runs an albumentations pipeline in any thread, from 64 random bits a picture."""

    def __init__(self, pipeline: A.Compose) -> None:
        self._pipeline = pipeline
        self._local = threading.local()

    def __call__(self, picture: Picture, out: Picture, bits: int) -> None:
        if picture is not out:
            np.copyto(out, picture)  # transforms may work in place
        result = self._seeded(bits)(image=out)["image"]
        fault = find_fault(result, len(out))
        if fault:
            raise UserError(f"--data.augment: the pipeline {fault}")
        if result is not out:
            np.copyto(out, result)

    def _seeded(self, bits: int) -> A.Compose:
        # A pipeline holds its random state: each thread has one of its own.
        local = self._local
        if not hasattr(local, "pipeline"):
            local.pipeline = copy.deepcopy(self._pipeline)
            local.numpy, local.python = np.random.PCG64(0), random.Random(0)
            local.state = local.numpy.state
            local.pipeline.set_random_state(np.random.Generator(local.numpy), local.python)
        # `set_random_seed` would give each transform the same random numbers, so that two flips always came together,
        # and takes 160 us for the study's transforms; these two generators are shared by all, and set in 7 us.
        local.state["state"]["state"] = bits << 64 | bits
        local.numpy.state = local.state
        local.python.seed(bits)
        return local.pipeline


def _check_is_file(spec: str) -> None:
    if not Path(spec).expanduser().is_file():
        near = get_close_matches(spec, PRESETS, n=1)
        mend = f"did you mean {near[0]}?" if near else f"the presets are {', '.join(PRESETS)}"
        raise UserError(f"--data.augment={spec}: neither a preset nor a file: {mend}")
