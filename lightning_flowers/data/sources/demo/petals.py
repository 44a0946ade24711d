"""Petals and leaves as sprites, and how sprites are laid on a layer.

Both are float32 RGBA pictures with values in [0, 1], their colours multiplied by their cover. A sprite has the petal's
base at its top; in it t (rows, 1) runs from the base (0) to the tip (1), and across (rows, columns) from edge (-1) to
edge (1) of the largest breadth.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.species import Colours, Petals

Floats = NDArray[np.floating]  # float32 at run time, which the stubs lose in arithmetic with Python floats

SHADOW = 0.4  # cover of the shadow that a petal throws on what lies right under its edge
MARGIN = 0.1  # room for that shadow around a sprite, in petal lengths


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


def petal_sprite(petal: Petals, colours: Colours | Floats, length: float, rng: Generator) -> Floats:
    """Draw one petal of about `length` pixels, with the shadow around it."""
    rows, reach = max(8, round(0.8 * length)), petal.width * 0.55 + MARGIN
    t = (np.arange(round(rows * (1 + 2 * MARGIN)), dtype=np.float32)[:, None] / rows) - np.float32(MARGIN)
    x = np.linspace(-reach, reach, 2 * round(rows * reach) + 1, dtype=np.float32)[None, :]
    across = x / np.float32(petal.width / 2)
    # The tip ends early where along is stretched.
    teeth = petal.teeth * np.abs(np.sin(4.5 * across + rng.uniform(0, 2 * np.pi)))
    along = t * (1 + petal.notch * np.exp(-((across / 0.35) ** 2)) + teeth)
    half = OUTLINES[petal.outline](np.clip(along, 0, 1))
    inside = np.minimum((half - np.abs(across)) * (petal.width / 2 * rows), (1 - along) * rows)
    inside = np.minimum(inside, (t + 0.03) * rows)
    cover = np.clip(inside / np.maximum(np.hypot(*np.gradient(inside)), 1) + 0.5, 0, 1).astype(np.float32)
    rib = np.clip(across / np.maximum(half, 0.05), -1, 1)
    bright, mix = _brightness(petal, t, rib, rng) * cover, _smooth(t, *petal.fade)
    base, tip = np.array(colours, np.float32) / 255
    channels = [np.clip((low + (high - low) * mix) * bright, 0, cover) for low, high in zip(base, tip, strict=True)]
    halo = SHADOW * cv2.GaussianBlur(cover, (0, 0), 0.5 + 0.015 * len(cover))
    return np.asarray(cv2.merge([*channels, halo + (1 - halo) * cover]), np.float32)


def _brightness(petal: Petals, t: Floats, rib: Floats, rng: Generator) -> Floats:
    """Of each pixel: mottled, veined and spotted, darker at the edges and at the base."""
    mottle = cv2.resize(rng.normal(1, 0.06, (6, 4)).astype(np.float32), rib.shape[::-1], interpolation=cv2.INTER_CUBIC)
    veins = 0.6 * np.cos(2 * np.pi * rib * (2 + 3 * petal.width)) ** 4 + np.exp(-((rib / 0.07) ** 2))
    bright = mottle * (1 - 0.2 * rib * rib - 0.35 * np.exp(-np.maximum(t, 0) / 0.16) + 0.08 * t - 0.12 * veins)
    for at, side in rng.uniform((0.12, -0.7), (0.62, 0.7), (petal.spots, 2)):
        bright = bright * (1 - 0.75 * np.exp(-(((t - at) / 0.022) ** 2) - ((rib - side) / 0.1) ** 2))
    return np.asarray(bright, np.float32)


def stamp(layer: Floats, sprite: Floats, base: Floats, along: Floats, across: Floats, shade: float) -> None:
    """Lay sprite (h, w, 4), brightened by shade, over layer (H, W, 4).

    Args:
        base: where the petal's base comes to lie, (2,) in pixels, as the next two.
        along: step from there to its tip.
        across: step to its side that is as long as its length.
    """
    height, width = sprite.shape[:2]
    rows = height / (1 + 2 * MARGIN)
    start, down, right = base - across * ((width - 1) / 2 / rows) - along * MARGIN, along / rows, across / rows
    corners = start + np.outer((0, height, 0, height), down) + np.outer((0, 0, width, width), right)
    left, top = np.clip(corners.min(0).astype(int) - 1, 0, None).tolist()
    end, bottom = np.clip(corners.max(0).astype(int) + 2, 0, layer.shape[1::-1]).tolist()
    if end > left and bottom > top:
        matrix = np.stack([right, down, start - (left, top)], 1)
        lay(layer[top:bottom, left:end], cv2.warpAffine(sprite, matrix, (end - left, bottom - top)), shade)


def lay(under: Floats, patch: cv2.typing.MatLike, shade: float = 1.0) -> None:
    """Lay patch, brightened by shade, over under, both (h, w, 4); the patch is used up."""
    clear = 1 - cv2.extractChannel(patch, 3)
    # Half of the shadow lies under a petal's edge.
    cover = 1 - (1 - under[..., 3]) * np.minimum(clear * (1 / (1 - SHADOW / 2)), 1)
    under *= cv2.merge([clear, clear, clear, clear])  # many times faster than broadcasting over four channels
    patch *= np.float32(shade)
    under += patch
    under[..., 3] = cover


def paint_leaves(
    layer: Floats, leaf: Petals, colours: Colours | Floats, feet: Floats, length: float, rng: Generator
) -> None:
    """Paint leaves on layer (H, W, 4), each from one of feet (n, 2), of about `length` pixels."""
    sprite = petal_sprite(leaf, colours, 0.7 * length, rng)
    for foot in feet:
        angle = rng.uniform(-np.pi, 0)
        along = np.array([np.cos(angle), np.sin(angle)]) * length * rng.uniform(0.7, 1.1)
        side = along[::-1] * [-1, 1] * rng.uniform(0.5, 1) * rng.choice([-1, 1])
        stamp(layer, sprite, foot, along, side, rng.uniform(0.65, 1.1))
