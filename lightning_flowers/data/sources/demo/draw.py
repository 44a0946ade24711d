"""One picture of one species: a flower before something out of focus, as a camera takes it."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.petals import Floats, paint_leaves
from lightning_flowers.data.sources.demo.plants import cluster, paint_blossoms, paint_stems, solitary
from lightning_flowers.data.sources.demo.species import LEAVES, SPECIES, Species

GREENS = ((30, 52, 22), (52, 84, 34), (78, 116, 48), (112, 146, 70), (142, 165, 88), (44, 70, 48))
SOILS = ((72, 54, 40), (98, 76, 56), (52, 40, 32), (124, 102, 78), (84, 70, 58), (110, 84, 60))
WALLS = ((166, 156, 140), (150, 140, 132), (144, 132, 120), (166, 160, 150), (120, 124, 130), (156, 138, 106))
SKIES = ((96, 146, 206), (96, 146, 206), (130, 170, 215), (198, 216, 232))
BACKDROPS = (GREENS, GREENS, GREENS, SOILS, SKIES, WALLS)
STRAYS = 0.2  # share of the leaves in the background that are petals of other flowers


def draw_flower(species: int, size: int, rng: Generator) -> NDArray[np.uint8]:
    """Draw one picture of a species, differing with the state of rng in all but the species.

    Args:
        species: row of SPECIES, 0 to len(SPECIES) - 1.
        size: edge of the picture in pixels, at least 32.
        rng: source of every choice; the same state gives the same bytes.

    Returns:
        RGB picture (size, size, 3), uint8 in [0, 255], C-contiguous.
    """
    return _photograph(_over(_plant(SPECIES[species], size, rng), _background(size, rng)), rng)


def _plant(kind: Species, size: int, rng: Generator) -> Floats:
    """A plant of the kind on a clear layer (size, size, 4): leaves, stems before them, blossoms before these."""
    layer = np.zeros((size, size, 4), np.float32)
    light = np.array([rng.normal(0, 0.6), -rng.uniform(0.1, 0.9), rng.uniform(0.5, 1.1)])
    light /= np.linalg.norm(light)
    heads, stems = (cluster if max(kind.florets) > 1 else solitary)(kind, size, rng)
    feet = stems[-1][0][rng.integers(10, 20, rng.integers(1, 6))]
    paint_leaves(layer, LEAVES[kind.leaf], _leaf_colours(rng), feet, size * rng.uniform(0.25, 0.5), rng)
    paint_stems(layer, stems, _leaf_colours(rng)[1], light)
    gain = rng.normal(1, 0.035, 3) * rng.uniform(0.88, 1.06)
    colours = np.array(kind.colours)[rng.integers(len(kind.colours))] * gain + rng.normal(0, 5, (2, 3))
    paint_blossoms(layer, kind, colours, heads, light, rng)
    return layer


def _background(size: int, rng: Generator) -> Floats:
    """Greenery, soil, sky or a wall with leaves and petals of other flowers before it, all out of focus."""
    colours = BACKDROPS[rng.integers(len(BACKDROPS))]
    cells, half = int(rng.integers(4, 14)), size // 2
    patches = np.array(colours, np.float32)[rng.integers(len(colours), size=(cells, cells))] / 255
    blurred = cv2.GaussianBlur(patches, (0, 0), 0.7)
    picture = cv2.resize(blurred, (half, half), interpolation=cv2.INTER_CUBIC) * np.float32(rng.uniform(0.7, 1.05))
    for leaf in rng.choice(list(LEAVES), rng.integers(1, 4)):
        colours = SPECIES[rng.integers(len(SPECIES))].colours[0] if rng.random() < STRAYS else _leaf_colours(rng)
        feet = rng.uniform((0, 0.3), (1, 1.2), (rng.integers(2, 8), 2)) * half
        layer = np.zeros((half, half, 4), np.float32)
        paint_leaves(layer, LEAVES[leaf], colours, feet, half * rng.uniform(0.15, 0.6), rng)
        soft = cv2.GaussianBlur(layer, (0, 0), half * rng.uniform(0.006, 0.025))
        picture = _over(np.asarray(soft, np.float32), np.asarray(picture, np.float32))
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _leaf_colours(rng: Generator) -> Floats:
    """Greens (2, 3) of one plant's leaves, as Colours."""
    dark = np.array([50, 86, 36]) * rng.uniform(0.7, 1.2) + rng.normal(0, 9, 3)
    return np.stack([dark, dark * rng.uniform(1.1, 1.5)])


def _over(layer: Floats, picture: Floats) -> Floats:
    """Picture (H, W, 3) seen under layer (H, W, 4)."""
    clear = 1 - layer[..., 3]
    return picture * cv2.merge([clear, clear, clear]) + cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)


def _photograph(picture: Floats, rng: Generator) -> NDArray[np.uint8]:
    """Picture as a camera takes it: exposure, white balance, slight blur and noise."""
    taken = cv2.GaussianBlur(picture, (0, 0), len(picture) / 192 * rng.uniform(0.25, 0.9))
    taken = taken * (255 * rng.uniform(0.82, 1.15) * rng.normal(1, 0.03, 3))
    return np.clip(np.rint(taken + rng.standard_normal(picture.shape) * rng.uniform(1.5, 5.5)), 0, 255).astype(np.uint8)
