"""Stems, as bent paths from a blossom to the ground, and the places on them where leaves grow."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from lightning_flowers.data.sources.demo.layer import lay
from lightning_flowers.data.sources.demo.parts import RGB, Floats, Head, Vectors

CURVE = np.linspace(0, 1, 20)[:, None]  # places along a stem
SHADES = ((0.55, 1.0), (0.85, 0.66), (1.15, 0.25))  # brightness, and share of a stem's breadth, from its rim
THIN = 2.0  # pixels; a stem below is one line


class Stem(NamedTuple):
    """A path (n, 2) from the blossom down, and its breadth, in pixels."""

    path: Vectors
    breadth: float


def curve(start: Vectors, bend: Vectors, end: Vectors) -> Vectors:
    """Path (20, 2) from start to end, drawn towards bend, all (2,)."""
    t = CURVE
    return start * (1 - t) ** 2 + 2 * bend * t * (1 - t) + end * t * t


def foot(x: float, size: int, rng: np.random.Generator) -> Vectors:
    """Where (2,) a stem that stands about x enters a picture of that size from below."""
    return np.array([x + rng.normal(0, 0.15) * size, 1.05 * size])


def main_stem(head: Head, size: int, rng: np.random.Generator) -> Stem:
    """The stem of one blossom, which it leaves at the back."""
    back = -head.frame[:2, 2] * head.radius * 1.3
    end = foot(head.place[0] + 0.5 * back[0], size, rng)
    path = curve(head.place, head.place + back + [0, 0.1 * size], end)
    return Stem(path, max(1.5, 0.055 * head.radius + 0.006 * size))


def leaf_feet(stems: Sequence[Stem], rng: np.random.Generator) -> Vectors:
    """Places (n, 2) on stems that go down, in their lower halves, where leaves grow."""
    paths = [stem.path for stem in stems if stem.path[-1, 1] > stem.path[0, 1]]
    picks = rng.integers(len(paths), size=rng.integers(1, 6))
    return np.array([paths[i][rng.integers(len(CURVE) // 2, len(CURVE))] for i in picks])


def paint_stems(layer: Floats, stems: Sequence[Stem], green: RGB, light: Vectors) -> None:
    """Paint stems on layer (H, W, 4) in green, brighter on the side of light (3,)."""
    canvas = np.zeros(layer.shape, np.uint8)
    for path, breadth in stems:
        for shade, share in SHADES if breadth > THIN else SHADES[1:2]:
            points = np.round(16 * (path + light[:2] * breadth * (1 - share) * 0.5)).astype(np.int32)
            r, g, b = (min(255, c * shade) for c in green)
            cv2.polylines(canvas, [points], False, (r, g, b, 255), max(1, round(breadth * share)), cv2.LINE_AA, 4)
    left, top, width, height = cv2.boundingRect(cv2.extractChannel(canvas, 3))
    if width:
        box = slice(top, top + height), slice(left, left + width)
        lay(layer[box], canvas[box].astype(np.float32) / 255)
