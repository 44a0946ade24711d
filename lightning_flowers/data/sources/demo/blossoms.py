"""Blossoms seen in perspective: petals set around a centre of florets and stamens."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.plants import GOLDEN_ANGLE, Head
from lightning_flowers.data.sources.demo.species import Centre, Colours, Petals, Species
from lightning_flowers.data.sources.demo.sprites import MARGIN, Floats, petal_sprite, shadowed, stamp

EDGE = 0.35  # least breadth of a petal seen edge-on, as a share of its breadth: petals are hollow, not flat
BUD = 0.6  # a blossom closed further than this shows no centre
FILAMENT = (200, 205, 130, 255)

Canvas = NDArray[np.uint8]
# What stands further to the front is greater; what `stamp` takes. A petal whose back shows is before the centre.
Part = tuple[tuple[bool, float], tuple[Floats, Floats, Floats, Floats, float]]


def paint_blossoms(
    layer: Floats, kind: Species, colours: Colours | Floats, heads: list[Head], light: Floats, rng: Generator
) -> None:
    """Paint a blossom at each of heads on layer (H, W, 4), lit from the unit vector light (3,)."""
    largest = max(head.radius for head in heads)
    sprites = [petal_sprite(one, one.colours or colours, largest * max(one.length), rng) for one in kind.petals]
    for head in heads:
        parts = [part for one in zip(kind.petals, sprites, strict=True) for part in _petals(*one, head, light, rng)]
        if head.closed < BUD and (kind.centre.radius or kind.centre.stamens):
            parts.append(_centre(kind.centre, head, light, rng))
        for _, stamped in sorted(parts, key=lambda part: part[0]):
            stamp(layer, *stamped)


def _petals(petals: Petals, sprite: Floats, head: Head, light: Floats, rng: Generator) -> Iterator[Part]:
    """Each petal is like the others, but mirrored, turned, stretched and shaded."""
    turn = head.frame.T
    count = int(rng.integers(*petals.count, endpoint=True))
    step = GOLDEN_ANGLE if petals.spiral else 2 * np.pi / count
    angles = np.arange(count) * step + rng.normal(0, 0.35 / count**0.8, count)
    lifts = np.linspace(*petals.lift, count) + rng.normal(0, 4, count)
    lifts = np.deg2rad(lifts + np.maximum(84 - lifts, 0) * head.closed)
    lengths = np.linspace(*petals.length, count)[:, None] * rng.normal(1, 0.04, (count, 1)) * head.radius
    widths = lengths * rng.normal(1, 0.06, (count, 1)) * rng.choice([-1, 1], (count, 1))
    along, faces = dome(angles, lifts) @ turn, dome(angles, lifts + np.pi / 2) @ turn
    steps = along[:, :2] * lengths
    sides = _rounded(along[:, :2], (dome(angles + np.pi / 2, 0 * lifts) @ turn)[:, :2]) * widths
    out = dome(angles, 0 * lifts) * petals.rim + [0, 0, petals.height]
    bases = head.place + head.radius * (out @ turn)[:, :2]
    depths = along[:, 2] * lengths[:, 0] / 2 + petals.height * head.radius * turn[2, 2]
    lit = np.sign(faces[:, 2]) * (faces @ light)
    shades = (0.66 + np.where(lit > 0, 0.44, 0.12) * lit) * rng.normal(1, 0.05, count)
    for i in range(count):
        yield (faces[i, 2] < 0, depths[i]), (sprite, bases[i], steps[i], sides[i], shades[i])


def dome(angles: Floats, lifts: Floats) -> Floats:
    """Unit vectors (n, 3) in the direction of angles (n,) and lifted by lifts (n,) above the plane, in radians."""
    return np.stack([np.cos(angles) * np.cos(lifts), np.sin(angles) * np.cos(lifts), np.sin(lifts)], 1)


def _rounded(along: Floats, side: Floats) -> Floats:
    """Side (n, 2) with breadth left even where a flat petal would be seen edge-on."""
    normal = along[:, ::-1] * [-1, 1] / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    breadth = (side * normal).sum(1, keepdims=True)
    return side + normal * (np.copysign(np.maximum(np.abs(breadth), EDGE), breadth) - breadth)


def _centre(centre: Centre, head: Head, light: Floats, rng: Generator) -> Part:
    """The florets and the stamens before them, drawn as bytes."""
    reach = max(centre.radius * (1 + centre.dome), centre.reach * 1.2 * bool(centre.stamens))
    side = 2 * int(np.ceil(reach * head.radius)) + 6
    canvas = np.zeros((side, side, 4), np.uint8)
    if centre.radius:
        _florets(canvas, centre, head, light, rng)
    if centre.stamens:
        _stamens(canvas, centre, head, rng)
    edge = np.array([side, 0]) / (1 + 2 * MARGIN)
    sprite = shadowed(canvas.astype(np.float32) / 255)
    return (False, np.inf), (sprite, head.place - edge[::-1] / 2, edge[::-1], edge, 1.0)


def _florets(canvas: Canvas, centre: Centre, head: Head, light: Floats, rng: Generator) -> None:
    radius = centre.radius * head.radius
    count = int(np.clip(radius * radius / 4, 7, 140))
    share = np.sqrt((np.arange(count) + 0.5) / count)[:, None]
    flat = dome(np.arange(count) * GOLDEN_ANGLE, np.zeros(count)) * share
    spots = (flat + centre.dome * (1 - share**2) * [0, 0, 1]) @ head.frame.T
    bright = 0.85 + 0.4 * spots @ light + rng.normal(0, 0.07, count)
    hues = (np.array(centre.inner) * (1 - share**1.5) + np.array(centre.rim) * share**1.5) * bright[:, None]
    order = np.argsort(spots[:, 2])
    _beads(canvas, spots[order] * radius, max(0.6, 1.15 * radius / np.sqrt(count)), hues[order])


def _stamens(canvas: Canvas, centre: Centre, head: Head, rng: Generator) -> None:
    count, size = centre.stamens, max(0.65, head.radius * 0.024)
    angles = np.arange(count) * GOLDEN_ANGLE + rng.normal(0, 0.2, count)
    tips = dome(angles, np.deg2rad(rng.uniform(30, 70, count))) @ head.frame.T
    tips = (tips * head.radius * centre.reach * rng.uniform(0.75, 1.1, (count, 1)))[np.argsort(tips[:, 2])]
    for tip in _fixed(canvas, tips):
        cv2.line(canvas, (8 * len(canvas),) * 2, tip, FILAMENT, 1, cv2.LINE_AA, 4)
    _beads(canvas, tips, size, np.array(centre.anther) * rng.uniform(0.7, 1.1, (count, 1)))


def _beads(canvas: Canvas, spots: Floats, size: float, hues: Floats) -> None:
    """Dots of the hues (n, 3) at spots (n, 2 or 3), each with a darker rim on its lower right."""
    lit = _fixed(canvas, spots[:, :2] - 0.2 * size)
    for spot, top, hue in zip(_fixed(canvas, spots), lit, np.clip(hues, 0, 255).tolist(), strict=True):
        cv2.circle(canvas, spot, round(21 * size), (*(0.6 * c for c in hue), 255), -1, cv2.LINE_AA, 4)
        cv2.circle(canvas, top, round(13 * size), (*hue, 255), -1, cv2.LINE_AA, 4)


def _fixed(canvas: Canvas, spots: Floats) -> list[tuple[int, int]]:
    """Spots (n, 2 or 3) around the middle of canvas in the sixteenths of a pixel that OpenCV draws with."""
    return [(x, y) for x, y in np.round(16 * (spots[:, :2] + len(canvas) / 2)).astype(int).tolist()]
