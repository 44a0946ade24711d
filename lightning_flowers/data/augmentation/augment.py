"""Augmentation of one uint8 picture, the same for the same (seed, epoch, record) whichever thread draws it."""

import os
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import numpy as np

from lightning_flowers.data.augmentation.presets import PRESETS, Picture
from lightning_flowers.errors import UserError, did_you_mean

# Pipelines that have a name: those of albumentations' transforms that files beside this one hold.
NAMED = {path.stem: path for path in sorted((Path(__file__).parent / "named").glob("*.yaml"))}


class Augment:
    """A pipeline for pictures of one size.

    Args:
        spec: a preset, a YAML file, or a pipeline as such a file holds it (`pipelines.read_pipeline`). The presets are
            `none`; `flips` (mirrored left to right with probability 1/2); `crop` (that, and a
            random-resized crop of a quarter of the area or more); `study` (both flips, random crop, rotation,
            brightness, contrast and saturation, as in the seed study); `affine` (the rotation
            kernel's matrix). Of albumentations' transforms are `erasing`, `randaugment` and `trivial`.
        size: side of the pictures in pixels.

    Attributes:
        spec: as given.
        content: as given, or what the file holds.

    Raises:
        UserError: neither a preset nor a file, or a pipeline that cannot be.
    """

    def __init__(self, spec: str | os.PathLike[str] | list[Any] | dict[str, Any], size: int) -> None:
        spec = os.fspath(spec) if isinstance(spec, os.PathLike) else spec
        self.spec = self.content = spec
        if isinstance(spec, str) and spec in PRESETS:
            self._apply = PRESETS[spec]
            return
        from lightning_flowers.data.augmentation import pipelines  # imported late: albumentations takes seconds

        if isinstance(spec, str):
            content = pipelines.load_pipeline(str(_file_of(spec)))
            self.content = spec if spec in NAMED else content
            self._apply = pipelines.Pipeline(pipelines.read_pipeline(content, size, spec))
        else:
            self._apply = pipelines.Pipeline(pipelines.read_pipeline(spec, size))

    def __bool__(self) -> bool:
        """Whether it changes pictures."""
        return self.spec not in ("none", [])

    def into(self, picture: Picture, out: Picture, seed: int, epoch: int, record: int) -> None:
        """Write the augmented picture into `out`.

        Args:
            picture: uint8 (size, size, 3), RGB; not changed, unless it is `out`.
            out: uint8 (size, size, 3), C-contiguous; overwritten.
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
    return _mixed(_beginning(key[:-1]), key[-1])


@lru_cache(maxsize=16)  # of (seed, epoch), which all pictures of an epoch share
def _beginning(key: tuple[int, ...]) -> int:
    return reduce(_mixed, key, 0)


def _mixed(bits: int, number: int) -> int:
    bits = (bits + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return bits ^ bits >> 31


def _file_of(spec: str) -> Path:
    if not Path(spec).expanduser().is_file() and spec not in NAMED:
        names = (*PRESETS, *NAMED)
        mend = did_you_mean(spec, names) or f": the presets are {', '.join(names)}"
        raise UserError(f"--data.augment={spec}: neither a preset nor a file{mend}")
    return NAMED.get(spec, Path(spec))
