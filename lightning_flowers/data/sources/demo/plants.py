"""Plants: blossoms seen in perspective, alone, along a stem, or together at its top.

Screen axes are x to the right, y down and z towards the viewer; lengths are in pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo.petals import Floats, lay, petal_sprite, stamp
from lightning_flowers.data.sources.demo.species import Centre, Colours, Petals, Species

GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
EDGE = 0.35  # least breadth of a petal seen edge-on, as a share of its breadth: petals are hollow, not flat
FILAMENT = (200, 205, 130, 255)


class Head(NamedTuple):
    """Where one blossom is: place (2,) and radius, and rotation (3, 3) into screen axes."""

    place: Floats
    radius: float
    frame: Floats


Stem = tuple[Floats, float]  # a path (20, 2) from the blossom down, and its breadth


def solitary(kind: Species, size: int, rng: Generator) -> tuple[list[Head], list[Stem]]:
    """One to three blossoms, each on a stem of its own, from back to front; the largest comes last."""
    radius, middle, way = _radius(kind, size, rng), rng.normal(0.5, 0.07, 2) * size, rng.uniform(0, 2 * np.pi)
    heads = [_head(middle, radius, kind, rng)]
    for turn in (0, np.pi)[: rng.choice(3, p=[0.6, 0.27, 0.13])]:
        grown, angle = radius * rng.uniform(0.5, 0.85), way + turn + rng.normal(0, 0.4)
        away = np.array([np.cos(angle), np.sin(angle)]) * (radius + grown) * rng.uniform(0.8, 1.1)
        heads.insert(0, _head(middle + away, grown, kind, rng))
    stems = []
    for head in heads:  # a stem leaves its blossom at the back
        back = -head.frame[:2, 2] * head.radius * 1.3
        foot = np.array([head.place[0] + 0.5 * back[0] + rng.normal(0, 0.15) * size, 1.05 * size])
        path = _curve(head.place, head.place + back + [0, 0.1 * size], foot)
        stems.append((path, max(1.5, 0.055 * head.radius + 0.006 * size)))
    return heads, stems


def cluster(kind: Species, size: int, rng: Generator) -> tuple[list[Head], list[Stem]]:
    """Blossoms to the left and right of an upright stem, smaller towards its tip: along it, or together at its top."""
    height, lowest, spread = (0.4, 4, 2.4) if kind.dome else (0.12, rng.uniform(11, 15), 0.5)
    points = rng.normal(((0.5, height), (0.5, height + 0.4), (0.5, 1.05)), ((0.1, 0.06), (0.07, 0.05), (0.15, 0)))
    path, radius = _curve(*points * size), _radius(kind, size, rng)
    heads, stalks = [], []
    for share in np.linspace(0, 1, rng.integers(*kind.florets, endpoint=True)):
        side, grown, foot = (-1) ** len(heads), radius * min(1, 0.5 + 1.1 * share), path[int(share * lowest)]
        place = foot + [side * rng.uniform(0.05, spread) * grown, rng.uniform(-0.4, 0.4) * spread * grown]
        heads.append(_head(place, grown, kind, rng, side))
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
    lay(layer, canvas.astype(np.float32) / 255)


def paint_blossoms(
    layer: Floats, kind: Species, colours: Colours | Floats, heads: list[Head], light: Floats, rng: Generator
) -> None:
    """Paint a blossom at each of heads on layer (H, W, 4), lit from the unit vector light (3,)."""
    largest = max(head.radius for head in heads)
    sprites = [petal_sprite(one, one.colours or colours, largest * max(one.length), rng) for one in kind.petals]
    for head in heads:
        shown = [petal for one in zip(kind.petals, sprites, strict=True) for petal in _petals(*one, head, light, rng)]
        shown.sort(key=lambda petal: petal[0])
        for back in (False, True):  # a petal whose back shows is before the centre
            for (turned, _), stamped in shown:
                if turned == back:
                    stamp(layer, *stamped)
            if not back:
                _paint_centre(layer, kind.centre, head, light, rng)


def _petals(
    petals: Petals, sprite: Floats, head: Head, light: Floats, rng: Generator
) -> list[tuple[tuple[bool, float], tuple[Floats, Floats, Floats, Floats, float]]]:
    """Each petal is like the others, but mirrored, turned, stretched and shaded: whether its back shows, how far to the
    front it is, and what `stamp` takes."""
    turn = head.frame.T
    count = int(rng.integers(*petals.count, endpoint=True))
    step = GOLDEN_ANGLE if petals.spiral else 2 * np.pi / count
    angles = np.arange(count) * step + rng.normal(0, 0.35 / count**0.8, count)
    lifts = np.deg2rad(np.linspace(*petals.lift, count) + rng.normal(0, 4, count))
    lengths = np.linspace(*petals.length, count)[:, None] * rng.normal(1, 0.04, (count, 1)) * head.radius
    widths = lengths * rng.normal(1, 0.06, (count, 1)) * rng.choice([-1, 1], (count, 1))
    along, faces = _dome(angles, lifts) @ turn, _dome(angles, lifts + np.pi / 2) @ turn
    sides = _rounded(along[:, :2], (_dome(angles + np.pi / 2, 0 * lifts) @ turn)[:, :2]) * widths
    out = _dome(angles, 0 * lifts) * petals.rim + [0, 0, petals.height]
    bases = head.place + head.radius * (out @ turn)[:, :2]
    depths = along[:, 2] * lengths[:, 0] / 2 + petals.height * head.radius * turn[2, 2]
    lit = np.sign(faces[:, 2]) * (faces @ light)
    shades = (0.66 + np.where(lit > 0, 0.44, 0.12) * lit) * rng.normal(1, 0.05, count)
    steps = along[:, :2] * lengths
    return [
        ((bool(faces[i, 2] < 0), depths[i]), (sprite, bases[i], steps[i], sides[i], shades[i])) for i in range(count)
    ]


def _dome(angles: Floats, lifts: Floats) -> Floats:
    """Unit vectors (n, 3) in the direction of angles (n,) and lifted by lifts (n,) above the plane, in radians."""
    return np.stack([np.cos(angles) * np.cos(lifts), np.sin(angles) * np.cos(lifts), np.sin(lifts)], 1)


def _rounded(along: Floats, side: Floats) -> Floats:
    """Side (n, 2) with breadth left even where a flat petal would be seen edge-on."""
    normal = along[:, ::-1] * [-1, 1] / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    breadth = (side * normal).sum(1, keepdims=True)
    return side + normal * (np.copysign(np.maximum(np.abs(breadth), EDGE), breadth) - breadth)


def _paint_centre(layer: Floats, centre: Centre, head: Head, light: Floats, rng: Generator) -> None:
    """Florets in a dome, and the stamens before them."""
    canvas = np.zeros(layer.shape, np.uint8)
    if centre.radius:
        radius = centre.radius * head.radius
        count = int(np.clip(radius * radius / 4, 7, 140))
        share = np.sqrt((np.arange(count) + 0.5) / count)[:, None]
        spots = _dome(np.arange(count) * GOLDEN_ANGLE, np.zeros(count)) * share + centre.dome * (1 - share**2) * [
            0,
            0,
            1,
        ]
        spots = spots @ head.frame.T
        hues = np.array(centre.inner) * (1 - share**1.5) + np.array(centre.rim) * share**1.5
        hues = hues * (0.85 + 0.4 * spots @ light + rng.normal(0, 0.07, count))[:, None]
        order = np.argsort(spots[:, 2])
        size = max(0.6, 1.15 * radius / np.sqrt(count))
        _beads(canvas, head.place + spots[order, :2] * radius, size, hues[order])
    if count := centre.stamens:
        tips = _dome(np.arange(count) * GOLDEN_ANGLE, np.deg2rad(rng.uniform(30, 70, count))) @ head.frame.T
        tips = (tips * head.radius * centre.reach * rng.uniform(0.75, 1.1, (count, 1)))[np.argsort(tips[:, 2]), :2]
        for tip in tips:
            cv2.line(canvas, _fixed(head.place), _fixed(head.place + tip), FILAMENT, 1, cv2.LINE_AA, 4)
        hues = np.array(centre.anther) * rng.uniform(0.7, 1.1, (count, 1))
        _beads(canvas, head.place + tips, max(0.65, head.radius * 0.024), hues)
    lay(layer, canvas.astype(np.float32) / 255)


def _beads(canvas: NDArray[np.uint8], spots: Floats, size: float, hues: Floats) -> None:
    """Dots of the hues (n, 3) at spots (n, 2), each with a darker rim on its lower right."""
    for spot, hue in zip(spots, np.clip(hues, 0, 255).tolist(), strict=True):
        cv2.circle(canvas, _fixed(spot), round(21 * size), (*(0.6 * c for c in hue), 255), -1, cv2.LINE_AA, 4)
        cv2.circle(canvas, _fixed(spot - 0.2 * size), round(13 * size), (*hue, 255), -1, cv2.LINE_AA, 4)


def _fixed(spot: Floats) -> tuple[int, int]:
    """A place (2,) in the sixteenths of a pixel that OpenCV draws with."""
    x, y = np.round(16 * spot).astype(int).tolist()
    return x, y


def _radius(kind: Species, size: int, rng: Generator) -> float:
    return kind.radius * rng.uniform(0.75, 1.25) * size


def _head(place: Floats, radius: float, kind: Species, rng: Generator, side: int = 1) -> Head:
    tilt, heading, spin = np.deg2rad([*(rng.uniform(*span) for span in kind.pose), rng.uniform(0, 360)])
    lean = cv2.Rodrigues(tilt * np.array([-np.sin(heading), side * np.cos(heading), 0]))[0]
    frame = np.asarray(lean @ cv2.Rodrigues(np.array([0, 0, spin]))[0], np.float64)
    return Head(place, radius * rng.normal(1, 0.05), frame)


def _curve(start: Floats, bend: Floats, end: Floats) -> Floats:
    """Path (20, 2) from start to end, drawn towards bend, all (2,)."""
    t = np.linspace(0, 1, 20)[:, None]
    return start * (1 - t) ** 2 + 2 * bend * t * (1 - t) + end * t * t
