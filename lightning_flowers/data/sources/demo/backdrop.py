"""What lies far behind a flower, out of focus: greenery, soil, sky, a wall, or specks of light.

Pictures are float32 RGB (size, size, 3) with values in [0, 1].
"""

from collections.abc import Callable

import cv2
import numpy as np

from lightning_flowers.data.sources.demo.layer import resized
from lightning_flowers.data.sources.demo.parts import RGB, Floats

GREENS = ((30, 52, 22), (52, 84, 34), (78, 116, 48), (112, 146, 70), (142, 165, 88), (44, 70, 48))
SOILS = ((72, 54, 40), (98, 76, 56), (52, 40, 32), (124, 102, 78), (84, 70, 58), (110, 84, 60))
WALLS = ((186, 176, 160), (150, 140, 132), (164, 112, 90), (206, 200, 190), (120, 124, 130), (196, 178, 136))


def _patches(size: int, colours: tuple[RGB, ...], cells: int, rng: np.random.Generator) -> Floats:
    """Out-of-focus patches of the colours, about cells of them along an edge."""
    picks = np.array(colours, np.float32)[rng.integers(len(colours), size=(cells, cells))] / 255
    soft = cv2.GaussianBlur(picks * rng.normal(1, 0.12, (cells, cells, 1)).astype(np.float32), (0, 0), 0.6)
    return resized(soft, size)


def _greenery(size: int, rng: np.random.Generator) -> Floats:
    return _patches(size, GREENS, int(rng.integers(4, 14)), rng)


def _soil(size: int, rng: np.random.Generator) -> Floats:
    coarse = _patches(size, SOILS, int(rng.integers(5, 9)), rng)
    return 0.5 * coarse + 0.5 * _patches(size, SOILS, int(rng.integers(24, 44)), rng)


def _sky(size: int, rng: np.random.Generator) -> Floats:
    high, low = np.array([[96, 146, 206], [198, 216, 232]]) / 255 * rng.uniform(0.85, 1.05)
    ramp = np.linspace(0, 1, size, dtype=np.float32)[:, None, None] ** rng.uniform(0.6, 1.6)
    clouds = np.clip(_patches(size, ((0, 0, 0), (255, 255, 255)), 6, rng)[..., :1] - 0.4, 0, 1)
    picture = (high + (low - high) * ramp) * np.ones((1, size, 1))
    return (picture + (0.95 - picture) * clouds * rng.uniform(0, 0.9)).astype(np.float32)


def _wall(size: int, rng: np.random.Generator) -> Floats:
    hue = np.array(WALLS[rng.integers(len(WALLS))]) / 255 * rng.uniform(0.6, 1.05)
    grain = cv2.resize(rng.normal(1, 0.05, (size // 3, size // 3)).astype(np.float32), (size, size))
    stains = _patches(size, ((200, 200, 200), (255, 255, 255)), 5, rng)
    return (hue * stains * grain[..., None]).astype(np.float32)


def _bokeh(size: int, rng: np.random.Generator) -> Floats:
    picture = 0.6 * _patches(size, GREENS, 6, rng)
    discs = np.zeros((size, size, 3), np.uint8)
    for x, y in rng.integers(size, size=(rng.integers(8, 22), 2)).tolist():
        glow = (np.array([215, 220, 150]) * rng.uniform(0.2, 0.8) + rng.normal(0, 15, 3)).clip(0, 255).tolist()
        cv2.circle(discs, (x, y), int(size * rng.uniform(0.02, 0.09)), glow, -1, cv2.LINE_AA)
    return picture + cv2.GaussianBlur(discs, (0, 0), size * 0.008).astype(np.float32) / 255


BACKDROPS: dict[str, Callable[[int, np.random.Generator], Floats]] = {
    "greenery": _greenery,
    "soil": _soil,
    "sky": _sky,
    "wall": _wall,
    "bokeh": _bokeh,
}
SHARES = (0.4, 0.16, 0.12, 0.1, 0.22)  # of the pictures with each of them
