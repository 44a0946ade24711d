"""How plants carry their blossoms: alone, along a stem, or together at its top.

Screen axes are x to the right, y down and z towards the viewer; lengths are in pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from lightning_flowers.data.sources.demo.species import Pose, Species
from lightning_flowers.data.sources.demo.sprites import Floats, lay

GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
BUDDING = 0.3  # share of the pictures of solitary blossoms that show a bud too


class Head(NamedTuple):
    """Where one blossom is: place (2,) and radius, rotation (3, 3) into screen axes, 1 for a closed bud."""

    place: Floats
    radius: float
    frame: Floats
    closed: float


Stem = tuple[Floats, float]  # a path (20, 2) from the blossom down, and its breadth
Plant = tuple[list[Head], list[Stem]]  # from back to front; the last stem comes from the ground


def solitary(kind: Species, size: int, rng: Generator) -> Plant:
    """One to three blossoms, each on a stem of its own, and perhaps a bud; the largest comes last."""
    radius, middle, way = _radius(kind, size, rng), rng.normal(0.5, 0.07, 2) * size, rng.uniform(0, 2 * np.pi)
    heads = [_head(middle, radius, kind.pose, rng)]
    for turn in (0, np.pi)[: rng.choice(3, p=[0.6, 0.27, 0.13])]:
        grown, angle = radius * rng.uniform(0.5, 0.85), way + turn + rng.normal(0, 0.4)
        away = np.array([np.cos(angle), np.sin(angle)]) * (radius + grown) * rng.uniform(0.8, 1.1)
        heads.insert(0, _head(middle + away, grown, kind.pose, rng))
    if rng.random() < BUDDING:
        spot = middle + rng.choice([-1, 1]) * rng.uniform((0.8, -0.6), (1.2, 0.8)) * radius
        heads.insert(0, _head(spot, 0.5 * radius, ((60, 90), (-110, -70)), rng)._replace(closed=1))
    return heads, [_main_stem(head, size, rng) for head in heads]


def cluster(kind: Species, size: int, rng: Generator) -> Plant:
    """Blossoms to the left and right of an upright stem, smaller towards its tip: along it, or together at its top."""
    height, lowest, spread = (0.4, 4, 2.4) if kind.dome else (0.12, rng.uniform(11, 15), 0.5)
    points = rng.normal(((0.5, height), (0.5, height + 0.4), (0.5, 1.05)), ((0.1, 0.06), (0.07, 0.05), (0.15, 0)))
    path, radius = _curve(*points * size), _radius(kind, size, rng)
    heads, stalks = [], []
    for share in np.linspace(0, 1, rng.integers(*kind.florets, endpoint=True)):
        side, grown, foot = (-1) ** len(heads), radius * min(1, 0.5 + 1.1 * share), path[int(share * lowest)]
        place = foot + [side * rng.uniform(0.05, spread) * grown, rng.uniform(-0.4, 0.4) * spread * grown]
        heads.append(_head(place, grown, kind.pose, rng, side))
        stalks.append((_curve(place, (place + foot) / 2 - [0, 0.15 * grown], foot), 0.008 * size))
    return heads, [*stalks, (path, 0.02 * size)]


def paint_stems(layer: Floats, stems: list[Stem], green: Floats, light: Floats) -> None:
    """Paint stems on layer (H, W, 4) in green, brighter on the side of light (3,)."""
    canvas = np.zeros(layer.shape, np.uint8)
    for path, breadth in stems:
        for shade, share in ((0.55, 1.0), (0.85, 0.66), (1.15, 0.25)):  # from the rim
            points = np.round(16 * (path + light[:2] * breadth * (1 - share) * 0.5)).astype(np.int32)
            colour = (*(green * shade).tolist(), 255)
            cv2.polylines(canvas, [points], False, colour, max(1, round(breadth * share)), cv2.LINE_AA, 4)
    lay(layer, canvas.astype(np.float32) / 255, 1.0)


def _radius(kind: Species, size: int, rng: Generator) -> float:
    return kind.radius * rng.uniform(0.75, 1.25) * size


def _head(place: Floats, radius: float, pose: Pose, rng: Generator, side: int = 1) -> Head:
    tilt, heading, spin = np.deg2rad([*(rng.uniform(*span) for span in pose), rng.uniform(0, 360)])
    lean = cv2.Rodrigues(tilt * np.array([-np.sin(heading), side * np.cos(heading), 0]))[0]
    frame = np.asarray(lean @ cv2.Rodrigues(np.array([0, 0, spin]))[0], np.float64)
    return Head(place, radius * rng.normal(1, 0.05), frame, rng.uniform(0, 0.25))


def _main_stem(head: Head, size: int, rng: Generator) -> Stem:
    """The stem of one blossom, which it leaves at the back."""
    back = -head.frame[:2, 2] * head.radius * 1.3
    foot = np.array([head.place[0] + 0.5 * back[0] + rng.normal(0, 0.15) * size, 1.05 * size])
    path = _curve(head.place, head.place + back + [0, 0.1 * size], foot)
    return path, max(1.5, 0.055 * head.radius + 0.006 * size)


def _curve(start: Floats, bend: Floats, end: Floats) -> Floats:
    """Path (20, 2) from start to end, drawn towards bend, all (2,)."""
    t = np.linspace(0, 1, 20)[:, None]
    return start * (1 - t) ** 2 + 2 * bend * t * (1 - t) + end * t * t
