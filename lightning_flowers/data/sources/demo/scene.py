"""What stands around a flower and what takes its picture: clutter behind, grass before it, light and camera.

Pictures are float32 RGB (size, size, 3) with values in [0, 1]; layers are as in layer.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.backdrop import BACKDROPS, SHARES
from lightning_flowers.data.sources.demo.layer import blurred, over, resized, scatter, ways
from lightning_flowers.data.sources.demo.leaf import LEAVES, paint_leaves
from lightning_flowers.data.sources.demo.parts import Floats, Palette, Petal, Vectors
from lightning_flowers.data.sources.demo.petal import petal_sprite

STRAYS = ((226, 60, 50), (240, 200, 50), (236, 232, 226), (220, 110, 170), (100, 100, 210), (236, 140, 50))
LITTER = 0.4  # share of the pictures with petals of other flowers in the background
GRASS = 0.3  # share of the pictures with grass before the flower


def light(rng: np.random.Generator) -> Vectors:
    """Draw a unit vector (3,) towards a light above and in front of the scene."""
    towards = np.array([rng.normal(0, 0.6), -rng.uniform(0.1, 0.9), rng.uniform(0.5, 1.1)])
    return towards / np.linalg.norm(towards)


def background(size: int, rng: np.random.Generator) -> Floats:
    """One of BACKDROPS with blurred leaves, grass and stray petals before it, (size, size, 3)."""
    half = size // 2  # all of it is out of focus
    kind = rng.choice(list(BACKDROPS), p=SHARES)
    layer = np.zeros((half, half, 4), np.float32)
    for leaf in rng.choice(list(LEAVES), rng.integers(1, 4)):
        feet = rng.uniform((0, 0.3), (1, 1.2), (rng.integers(2, 8), 2)) * half
        paint_leaves(layer, leaf, feet, half * rng.uniform(0.15, 0.6), rng)
    _strays(layer, rng)
    picture = over(blurred(layer, rng.uniform(0.006, 0.025)), BACKDROPS[kind](half, rng))
    return resized(picture, size)


def _strays(layer: Floats, rng: np.random.Generator) -> None:
    """Petals of other flowers, out of focus, on some pictures' layer."""
    size, shape = layer.shape[0], Petal(rng.choice(["round", "strap", "wedge"]), rng.uniform(0.25, 0.9))
    colour = STRAYS[rng.integers(len(STRAYS))]
    sprite = petal_sprite(shape, Palette(colour, colour, colour), size * 0.12, rng)
    count = rng.integers(1, 8) if rng.random() < LITTER else 0
    along = ways(rng.uniform(0, 2 * np.pi, count)) * size * rng.uniform(0.06, 0.16)
    scatter(layer, sprite, rng.uniform(0, size, (count, 2)), along, rng)


def through_grass(picture: Floats, rng: np.random.Generator) -> Floats:
    """Picture (size, size, 3) with, in some cases, blades of grass close to the camera before it."""
    if rng.random() > GRASS:
        return picture
    size = len(picture)
    layer = np.zeros((size // 2, size // 2, 4), np.float32)
    feet = rng.uniform((0, 1.0), (1, 1.3), (rng.integers(1, 5), 2)) * len(layer)
    paint_leaves(layer, "blade", feet, len(layer) * rng.uniform(0.4, 0.9), rng)
    return over(resized(blurred(layer, rng.uniform(0.008, 0.02)), size).clip(0, 1), picture)


def photograph(picture: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Picture as a camera takes it: exposure, white balance, vignette, slight blur and noise."""
    size = picture.shape[0]
    ramp = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    fall = 255 * (1 - rng.uniform(0.05, 0.3) * (ramp[:, None] + ramp) / 2)
    gains = (rng.uniform(0.82, 1.15) * rng.normal(1, 0.03, 3)).tolist()
    taken = cv2.GaussianBlur(picture, (0, 0), size / 192 * rng.uniform(0.25, 0.9))
    taken *= cv2.merge([fall * gain for gain in gains])
    noise = rng.standard_normal(picture.shape, np.float32)
    noise *= np.float32(rng.uniform(1.5, 5.5))
    taken += noise
    return np.clip(np.rint(taken), 0, 255).astype(np.uint8)
