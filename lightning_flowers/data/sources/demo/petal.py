"""One petal, or leaf, as a shaded sprite, base at the top.

In all functions here t (rows, 1) runs from the petal's base (0) to its tip (1), and across (rows, columns) from edge
(-1) to edge (1) of its largest breadth; rib is the same, but of the breadth there.
"""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from lightning_flowers.data.sources.demo.layer import MARGIN, SHADOW
from lightning_flowers.data.sources.demo.parts import Floats, Palette, Petal

STEPS = 512  # places along an outline


def _smooth(t: Floats, low: float, high: float) -> Floats:
    ramp = np.clip((t - low) / (high - low), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


# Half of a petal's breadth, as a share of its largest, along the petal from base (0) to tip (1).
OUTLINES: dict[str, Callable[[Floats], Floats]] = {
    "round": lambda t: 0.12 * (1 - t) + np.abs(np.sin(np.pi * t**1.15)) ** 0.62,
    "wedge": lambda t: 0.08 + 0.92 * t**0.85 * (1 - t**9) ** 0.5 - 0.08 * t**4,
    "pointed": lambda t: 0.15 * (1 - t) + np.sin(np.pi * t**0.8),
    "strap": lambda t: (0.35 + 0.65 * _smooth(t, 0.0, 0.5)) * (1 - t**10) ** 0.5,
    "spoon": lambda t: (0.3 + 0.7 * _smooth(t, 0.15, 0.75)) * (1 - t**5) ** 0.6,
    "cup": lambda t: 0.3 * (1 - t) ** 2 + np.abs(np.sin(np.pi * t**0.75)) ** 0.75,
    "trumpet": lambda t: (0.12 + 0.88 * _smooth(t, 0.15, 0.95)) * (1 - t**14) ** 0.5,
    "blade": lambda t: 0.6 + 0.4 * np.sin(np.pi * t) - 0.6 * t**3,
}


@cache
def _outline(key: str) -> Floats:
    return OUTLINES[key](np.linspace(0, 1, STEPS, dtype=np.float32))


def petal_sprite(petal: Petal, palette: Palette, length: float, rng: np.random.Generator) -> Floats:
    """Draw one petal, base at the top, as a sprite of about length pixels; see layer.placed for its coordinates."""
    rows = max(8, round(0.8 * length))
    t, across = _grid(petal.width, rows, rng)
    cover, rib = _cover(petal, t, across, rows, rng)
    channels = _colours(petal, palette, t, rib, rng)
    halo = SHADOW * cv2.GaussianBlur(cover, (0, 0), 0.3 * MARGIN * rows)
    return np.asarray(cv2.merge([*(c * cover for c in channels), halo + (1 - halo) * cover]), np.float32)


def _grid(width: float, rows: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    reach = width * 0.55 + MARGIN
    t = (np.arange(round(rows * (1 + 2 * MARGIN)), dtype=np.float32)[:, None] / rows) - np.float32(MARGIN)
    x = np.linspace(-reach, reach, 2 * round(rows * reach) + 1, dtype=np.float32)[None, :]
    x = x - np.float32(rng.normal(0, 0.05)) * t * t
    return t, x / (width / 2)


def _cover(petal: Petal, t: Floats, across: Floats, rows: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Cover of each pixel, and its place across the petal there, both (rows, columns)."""
    phase = rng.uniform(0, 2 * np.pi)
    along = t * _cuts(petal, across, phase, waves=rng.uniform(2.5, 4.5))
    half = _outline(petal.outline)[(np.clip(along, 0, 1) * (STEPS - 1)).astype(np.int32)]
    half = half * (1 + petal.ruffle * np.sin(17 * t + phase) * t)
    inside = (half - np.abs(across)) * (petal.width / 2 * rows)
    inside = np.minimum(inside, np.minimum((1 - along) * rows, (t + 0.03) * rows))
    slope = np.hypot(*np.gradient(inside))
    rib = np.clip(across / np.maximum(half, 0.05), -1, 1)
    return np.clip(inside / np.maximum(slope, 1) + 0.5, 0, 1).astype(np.float32), rib


def _cuts(petal: Petal, across: Floats, phase: float, waves: float) -> Floats | float:
    """What t is stretched by at each place across, so that the tip ends early there; most petals have no cuts."""
    cut: Floats | float = 0.0
    if petal.notch:
        cut = petal.notch * np.exp(-((across / 0.35) ** 2))
    if petal.teeth:
        cut = cut + petal.teeth * np.abs(np.sin(4.5 * across + phase))
    if petal.ruffle:
        return 1 + cut + petal.ruffle * 0.5 * (1 + np.sin(waves * across + phase)) * across * across
    return 1 + cut


def _colours(petal: Petal, palette: Palette, t: Floats, rib: Floats, rng: np.random.Generator) -> list[Floats]:
    """Red, green and blue, (rows, columns) each: many times faster than broadcasting over three channels."""
    mix = _smooth(t, *petal.fade)
    marked = np.clip(_veins(petal, t, rib, rng) + _blotches(petal, t, rib, rng), 0, 1)
    relief = _relief(petal, t, rib, rng)
    channels: list[Floats] = []
    for base, tip, marks in np.array([palette.base, palette.tip, palette.marks], np.float32).T / 255:
        colour = base + (tip - base) * mix
        channels.append(np.clip((colour + (marks - colour) * marked) * relief, 0, 1))
    return channels


def _relief(petal: Petal, t: Floats, rib: Floats, rng: np.random.Generator) -> Floats:
    """Brightness of each pixel: mottled, darker at the edges and at the base, and in folds."""
    mottle = cv2.resize(rng.normal(1, 0.06, (6, 4)).astype(np.float32), rib.shape[::-1], interpolation=cv2.INTER_CUBIC)
    turn = rng.uniform(0, 6)
    folds = petal.ruffle * np.sin(9 * rib + turn) * t if petal.ruffle else 0.0
    return mottle * (1 - 0.2 * rib * rib - 0.35 * np.exp(-np.maximum(t, 0) / 0.16) + folds + 0.08 * t)


def _veins(petal: Petal, t: Floats, rib: Floats, rng: np.random.Generator) -> Floats:
    lines = (np.cos(2 * np.pi * rib * (2 + 3 * petal.width) + rng.normal(0, 0.3)) ** 2) ** 2
    midrib = np.exp(-((rib / 0.07) ** 2))
    return petal.veins * (lines * 0.6 + midrib) * (1 - 0.7 * np.clip(t, 0, 1))


def _blotches(petal: Petal, t: Floats, rib: Floats, rng: np.random.Generator) -> Floats | float:
    marks: Floats | float = 0.0
    if petal.blotch:
        marks = 1 - _smooth(t + 0.08 * np.cos(5 * rib), petal.blotch - 0.1, petal.blotch + 0.04)
    for at, side in rng.uniform((0.12, -0.7), (0.62, 0.7), (petal.spots, 2)).tolist():
        marks = np.maximum(marks, np.exp(-(((t - at) / 0.022) ** 2) - ((rib - side) / 0.1) ** 2))
    return marks
