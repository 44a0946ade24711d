"""The centre of a blossom: a disc or dome of florets, and stamens.

It is drawn on a canvas of twice the size, as bytes, with the centre in the canvas's middle.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.layer import shadowed, stamp
from lightning_flowers.data.sources.demo.parts import GOLDEN_ANGLE, Centre, Head, Vectors

Canvas = NDArray[np.uint8]

FILAMENT = (200, 205, 130, 255)
ANTHER_SHINE = np.array([-0.2, -0.2])


def paint_centre(
    layer: NDArray[np.floating], centre: Centre, head: Head, light: Vectors, rng: np.random.Generator
) -> None:
    """Paint disc florets and stamens of the blossom at head on layer (H, W, 4), lit from the unit vector light (3,)."""
    radius = centre.radius * head.radius
    half = int(np.ceil(max(radius * (1 + centre.dome), centre.reach * head.radius * 1.2 * bool(centre.stamens)))) + 3
    canvas = np.zeros((4 * half, 4 * half, 4), np.uint8)
    if radius > 0:
        _florets(canvas, centre, head, light, rng)
    if centre.stamens:
        _stamens(canvas, centre, head, rng)
    sprite = cv2.resize(canvas, (2 * half, 2 * half), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    stamp(layer, shadowed(sprite), np.column_stack([np.eye(2), head.place - half]))


def _florets(canvas: Canvas, centre: Centre, head: Head, light: Vectors, rng: np.random.Generator) -> None:
    radius = 2 * centre.radius * head.radius
    count = int(np.clip(radius * radius / 16, 7, 140))
    share = np.sqrt((np.arange(count) + 0.5) / count)
    spots, normals = _dome(share, centre.dome, head.frame)
    bright = 0.6 + 0.5 * np.clip(normals @ light, -0.3, 1) + rng.normal(0, 0.07, count)
    hues = np.array(centre.inner) + (np.array(centre.rim, float) - centre.inner) * (share**1.5)[:, None]
    size = max(1.2, 1.15 * radius / np.sqrt(count))
    order = np.argsort(spots[:, 2])
    _beads(canvas, spots[order] * radius, size, hues[order] * bright[order, None], light[:2] * 0.3)


def _dome(share: Vectors, height: float, turn: Vectors) -> tuple[Vectors, Vectors]:
    """Places and normals (n, 3), turned to the screen, of florets at share (n,) of the disc's radius."""
    angle = np.arange(len(share)) * GOLDEN_ANGLE
    x, y = share * np.cos(angle), share * np.sin(angle)
    return np.stack([x, y, height * (1 - share**2)], 1) @ turn.T, np.stack([x, y, 0 * share + 0.8], 1) @ turn.T


def _stamens(canvas: Canvas, centre: Centre, head: Head, rng: np.random.Generator) -> None:
    radius = 2 * head.radius
    tips = _tips(centre, radius, head.frame, rng)
    size = max(1.3, radius * 0.024)
    root = _fixed(canvas, np.zeros((1, 2)))[0]
    for tip in _fixed(canvas, tips):
        cv2.line(canvas, root, tip, FILAMENT, 1 + int(size / 3), cv2.LINE_AA, 4)
    _beads(canvas, tips, size, np.array(centre.anther) * rng.uniform(0.7, 1.1, (len(tips), 1)), ANTHER_SHINE)


def _tips(centre: Centre, radius: float, turn: Vectors, rng: np.random.Generator) -> Vectors:
    """Tips (n, 3) of the stamens of a blossom of that radius, turned to the screen, from back to front."""
    count = centre.stamens
    angles = np.arange(count) * GOLDEN_ANGLE + rng.normal(0, 0.2, count)
    lifts = np.deg2rad(rng.uniform(30, 70, count))
    tips = np.stack([np.cos(angles) * np.cos(lifts), np.sin(angles) * np.cos(lifts), np.sin(lifts)], 1) @ turn.T
    return (tips * radius * centre.reach * rng.uniform(0.75, 1.1, (count, 1)))[np.argsort(tips[:, 2])]


def _beads(canvas: Canvas, spots: Vectors, size: float, hues: Vectors, shine: Vectors) -> None:
    """Dots of the hues (n, 3) at spots (n, 2 or 3), each with a darker rim away from the direction shine (2,)."""
    wide, narrow = max(8, round(16 * 1.3 * size)), max(8, round(16 * 0.8 * size))
    lit = _fixed(canvas, spots[:, :2] + shine * size)
    for spot, top, hue in zip(_fixed(canvas, spots), lit, np.clip(hues, 0, 255).tolist(), strict=True):
        cv2.circle(canvas, spot, wide, (*(0.6 * c for c in hue), 255), -1, cv2.LINE_AA, 4)
        cv2.circle(canvas, top, narrow, (*hue, 255), -1, cv2.LINE_AA, 4)


def _fixed(canvas: Canvas, spots: Vectors) -> list[tuple[int, int]]:
    """Spots (n, 2 or 3) around the middle of canvas in the sixteenths of a pixel that OpenCV draws with."""
    return [(x, y) for x, y in np.round(16 * (spots[:, :2] + canvas.shape[0] / 2)).astype(int).tolist()]
