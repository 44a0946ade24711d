"""Leaves: petals of other outlines, in green."""

import numpy as np

from lightning_flowers.data.sources.demo.layer import scatter, ways
from lightning_flowers.data.sources.demo.parts import Floats, Palette, Petal, Vectors
from lightning_flowers.data.sources.demo.petal import petal_sprite

LEAVES = {
    "lance": Petal("pointed", 0.26, veins=0.35),
    "oval": Petal("round", 0.55, veins=0.5),
    "toothed": Petal("pointed", 0.5, teeth=0.09, veins=0.5),
    "cut": Petal("wedge", 0.5, teeth=0.3, notch=-0.1, veins=0.4),
    "blade": Petal("blade", 0.07, veins=0.3),
    "sword": Petal("blade", 0.13, veins=0.4),
}
UPRIGHT = ("blade", "sword")


def leaf_palette(rng: np.random.Generator) -> Palette:
    """Greens of one plant's leaves."""
    dark = np.array([50, 86, 36]) * rng.uniform(0.7, 1.2) + rng.normal(0, 9, 3)
    dark, bright = np.clip(dark, 0, 255), np.clip(dark * rng.uniform(1.1, 1.5), 0, 255)
    pale = np.clip(bright * 1.25 + 12, 0, 255)
    return Palette(*((int(c[0]), int(c[1]), int(c[2])) for c in (dark, bright, pale)))


def paint_leaves(layer: Floats, kind: str, feet: Vectors, length: float, rng: np.random.Generator) -> None:
    """Paint leaves of a kind in LEAVES, each from one of feet (n, 2), of about length pixels on layer (H, W, 4)."""
    sprite = petal_sprite(LEAVES[kind], leaf_palette(rng), 0.7 * length, rng)
    count = len(feet)
    angles = rng.normal(-np.pi / 2, 0.35, count) if kind in UPRIGHT else rng.uniform(-np.pi, 0, count)
    scatter(layer, sprite, feet, ways(angles) * (length * rng.uniform(0.7, 1.1, (count, 1))), rng)
