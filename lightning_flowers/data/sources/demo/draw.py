"""One picture of one species: a flower before something out of focus, as a camera takes it."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.blossoms import paint_blossoms
from lightning_flowers.data.sources.demo.plants import cluster, paint_stems, solitary
from lightning_flowers.data.sources.demo.species import SPECIES, Colours, Species
from lightning_flowers.data.sources.demo.sprites import LEAVES, Floats, leaf_colours, paint_leaves

GREENS = ((30, 52, 22), (52, 84, 34), (78, 116, 48), (112, 146, 70), (142, 165, 88), (44, 70, 48))
SOILS = ((72, 54, 40), (98, 76, 56), (52, 40, 32), (124, 102, 78), (84, 70, 58), (110, 84, 60))
WALLS = ((166, 156, 140), (150, 140, 132), (144, 132, 120), (166, 160, 150), (120, 124, 130), (156, 138, 106))
SKIES = ((96, 146, 206), (96, 146, 206), (130, 170, 215), (198, 216, 232))
BACKDROPS = (GREENS, GREENS, GREENS, SOILS, SKIES, WALLS)
STRAYS = 0.2  # share of the leaves in the background that are petals of other flowers
GLOW = 0.35  # share of the pictures with specks of light behind the flower
GRASS = 0.3  # share of the pictures with grass before the flower


def draw_flower(species: int, size: int, rng: Generator) -> NDArray[np.uint8]:
    """Draw one picture of a species, differing with the state of rng in all but the species.

    Args:
        species: row of SPECIES, 0 to len(SPECIES) - 1.
        size: edge of the picture in pixels, at least 32.
        rng: source of every choice; the same state gives the same bytes.

    Returns:
        RGB picture (size, size, 3), uint8 in [0, 255], C-contiguous.
    """
    picture = _over(_plant(SPECIES[species], size, rng), _resized(_background(size // 2, rng), size))
    if rng.random() < GRASS:
        feet = rng.uniform((0, 1.0), (1, 1.3), (rng.integers(1, 5), 2))
        picture = _over(_resized(_blurred_leaves(size // 2, "blade", leaf_colours(rng), feet, rng), size), picture)
    return _photograph(picture, rng)


def _plant(kind: Species, size: int, rng: Generator) -> Floats:
    """A plant of the kind on a clear layer (size, size, 4): leaves, stems before them, blossoms before these."""
    layer = np.zeros((size, size, 4), np.float32)
    light = np.array([rng.normal(0, 0.6), -rng.uniform(0.1, 0.9), rng.uniform(0.5, 1.1)])
    light /= np.linalg.norm(light)
    heads, stems = (cluster if max(kind.florets) > 1 else solitary)(kind, size, rng)
    feet = stems[-1][0][rng.integers(10, 20, rng.integers(1, 6))]
    paint_leaves(layer, LEAVES[kind.leaf], leaf_colours(rng), feet, size * rng.uniform(0.25, 0.5), rng)
    paint_stems(layer, stems, leaf_colours(rng)[1], light)
    gain = rng.normal(1, 0.035, 3) * rng.uniform(0.88, 1.06)
    colours = np.array(kind.colours)[rng.integers(len(kind.colours))] * gain + rng.normal(0, 5, (2, 3))
    paint_blossoms(layer, kind, colours, heads, light, rng)
    return layer


def _background(size: int, rng: Generator) -> Floats:
    """Greenery, soil, sky or a wall with leaves and petals of other flowers before it, all out of focus."""
    colours = BACKDROPS[rng.integers(len(BACKDROPS))]
    cells = int(rng.integers(4, 14))
    patches = np.array(colours, np.float32)[rng.integers(len(colours), size=(cells, cells))] / 255
    picture = _resized(cv2.GaussianBlur(patches, (0, 0), 0.7), size) * np.float32(rng.uniform(0.7, 1.05))
    if rng.random() < GLOW:
        picture += _glow(size, rng)
    for leaf in rng.choice(list(LEAVES), rng.integers(1, 4)):
        strays = SPECIES[rng.integers(len(SPECIES))].colours[0]
        feet = rng.uniform((0, 0.3), (1, 1.2), (rng.integers(2, 8), 2))
        layer = _blurred_leaves(size, leaf, strays if rng.random() < STRAYS else leaf_colours(rng), feet, rng)
        picture = _over(layer, picture)
    return picture


def _glow(size: int, rng: Generator) -> Floats:
    discs = np.zeros((size, size, 3), np.uint8)
    for x, y in rng.integers(size, size=(rng.integers(8, 22), 2)).tolist():
        glow = (np.array([215, 220, 150]) * rng.uniform(0.2, 0.8) + rng.normal(0, 15, 3)).tolist()
        cv2.circle(discs, (x, y), int(size * rng.uniform(0.02, 0.09)), glow, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(discs, (0, 0), size * 0.008).astype(np.float32) / 255


def _blurred_leaves(size: int, leaf: str, colours: Colours | Floats, feet: Floats, rng: Generator) -> Floats:
    """Leaves from feet (n, 2), in shares of the picture, on a layer (size, size, 4)."""
    layer = np.zeros((size, size, 4), np.float32)
    paint_leaves(layer, LEAVES[leaf], colours, feet * size, size * rng.uniform(0.15, 0.6), rng)
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), size * rng.uniform(0.006, 0.025)), np.float32)


def _resized(picture: cv2.typing.MatLike, size: int) -> Floats:
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _over(layer: Floats, picture: Floats) -> Floats:
    """Picture (H, W, 3) seen under layer (H, W, 4)."""
    clear = 1 - layer[..., 3]
    return picture * cv2.merge([clear, clear, clear]) + cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)


def _photograph(picture: Floats, rng: Generator) -> NDArray[np.uint8]:
    """Picture as a camera takes it: exposure, white balance, vignette, slight blur and noise."""
    size = picture.shape[0]
    ramp = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    fall = 255 * (1 - rng.uniform(0.05, 0.3) * (ramp[:, None] + ramp) / 2)
    gains = (rng.uniform(0.82, 1.15) * rng.normal(1, 0.03, 3)).tolist()
    taken = cv2.GaussianBlur(picture, (0, 0), size / 192 * rng.uniform(0.25, 0.9))
    taken *= cv2.merge([fall * gain for gain in gains])
    taken += rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(1.5, 5.5))
    return np.clip(np.rint(taken), 0, 255).astype(np.uint8)
