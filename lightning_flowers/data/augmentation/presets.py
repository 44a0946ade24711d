"""The presets, made of OpenCV and NumPy alone.

Each takes a picture uint8 (size, size, 3), where to write the result (which may be the picture), and 64 random bits.
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.augmentation.affine import draw_affine, warp

Preset = Literal["none", "flips", "crop", "study", "affine"]
Picture = NDArray[np.uint8]

CROP, STUDY_CROP, RATIO = 0.25, 0.5, 4 / 3  # least share of the area, and the longer side by the shorter, at most
TURN = 30  # degrees either way
GAIN = (0.8, 1.2)  # of brightness, contrast and saturation


def none(picture: Picture, out: Picture, bits: int) -> None:
    """The picture as it is."""
    if picture is not out:
        np.copyto(out, picture)


def flips(picture: Picture, out: Picture, bits: int) -> None:
    """Mirrored left to right, with probability 1/2."""
    none(picture, out, bits)
    if bits & 1:  # in place, as the copy is still near the core: from one place to another takes twice as long
        cv2.flip(out, 1, dst=out)


def crop(picture: Picture, out: Picture, bits: int) -> None:
    """Mirrored with probability 1/2, and a random-resized crop."""
    rng = np.random.default_rng(bits)
    np.copyto(out, _crop(picture[:, :: rng.choice((1, -1))], rng, CROP))


def study(picture: Picture, out: Picture, bits: int) -> None:
    """The seed study's: both flips, a crop; a rotation and other colours with probability 1/2 each."""
    rng = np.random.default_rng(bits)
    picture = _crop(picture[:: rng.choice((1, -1)), :: rng.choice((1, -1))], rng, STUDY_CROP)
    size = len(picture)
    if rng.random() < 0.5:
        turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), rng.uniform(-TURN, TURN), 1)
        picture = np.asarray(cv2.warpAffine(picture, turn, (size, size)), np.uint8)
    np.copyto(out, _recolour(picture, rng) if rng.random() < 0.5 else picture)


def affine(picture: Picture, out: Picture, bits: int) -> None:
    """The rotation kernel's rotation, shear, zoom and shift."""
    matrix = draw_affine(np.random.default_rng(bits), *picture.shape[:2])
    warp(picture.copy() if picture is out else picture, matrix, out)


PRESETS: dict[Preset, Callable[[Picture, Picture, int], None]] = {
    "none": none,
    "flips": flips,
    "crop": crop,
    "study": study,
    "affine": affine,
}


def _crop(picture: Picture, rng: np.random.Generator, least: float) -> Picture:
    """Part of the picture, at least such a share of its area, as large as the whole."""
    size, area = len(picture), rng.uniform(least, 1.0)
    widest = min(np.log(RATIO), -np.log(area))  # what still fits
    ratio = np.exp(rng.uniform(-widest, widest))
    width, height = (max(1, round(size * np.sqrt(share))) for share in (area * ratio, area / ratio))
    left, top = rng.integers(size - width, endpoint=True), rng.integers(size - height, endpoint=True)
    part = np.ascontiguousarray(picture[top : top + height, left : left + width])
    return np.asarray(cv2.resize(part, (size, size)), np.uint8)


def _recolour(picture: Picture, rng: np.random.Generator) -> Picture:
    """Brightness, then contrast about the mean, then saturation, in one sum."""
    bright, contrast, saturation = rng.uniform(*GAIN, 3).tolist()
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    kept, shift = bright * contrast, bright * (1 - contrast) * float(grey.mean())
    greys = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(picture, kept * saturation, greys, kept * (1 - saturation), shift), np.uint8)
