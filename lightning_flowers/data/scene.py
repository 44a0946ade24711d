"""Everything of a flower picture but the blossoms: plant habits, backgrounds, clutter, light and camera.

Pictures are float32 RGB (size, size, 3) with values in [0, 1]; layers are as in blossom.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.blossom import (
    RGB,
    Floats,
    Head,
    Palette,
    Petal,
    Vectors,
    frame,
    petal_sprite,
    placed,
    stamp,
)

GREENS = ((30, 52, 22), (52, 84, 34), (78, 116, 48), (112, 146, 70), (142, 165, 88), (44, 70, 48))
SOILS = ((72, 54, 40), (98, 76, 56), (52, 40, 32), (124, 102, 78), (84, 70, 58), (110, 84, 60))
WALLS = ((186, 176, 160), (150, 140, 132), (164, 112, 90), (206, 200, 190), (120, 124, 130), (196, 178, 136))
STRAYS = ((226, 60, 50), (240, 200, 50), (236, 232, 226), (220, 110, 170), (100, 100, 210), (236, 140, 50))
BUDDING = 0.3  # share of the pictures of solitary blossoms that show a bud too
CURVE = np.linspace(0, 1, 20)[:, None]  # places along a stem
STEM_SHADES = ((0.55, 1.0), (0.85, 0.66), (1.15, 0.25))  # brightness, and share of a stem's breadth, from its rim
THIN = 2.0  # pixels; a stem below is one line
LITTER = 0.4  # share of the pictures with petals of other flowers in the background
GRASS = 0.3  # share of the pictures with grass before the flower
LEAVES = {
    "lance": Petal("pointed", 0.26, veins=0.35),
    "oval": Petal("round", 0.55, veins=0.5),
    "toothed": Petal("pointed", 0.5, teeth=0.09, veins=0.5),
    "cut": Petal("wedge", 0.5, teeth=0.3, notch=-0.1, veins=0.4),
    "blade": Petal("blade", 0.07, veins=0.3),
    "sword": Petal("blade", 0.13, veins=0.4),
}


@dataclass(frozen=True)
class Habit:
    """How a plant carries its blossoms: layout key, radius as a share of the picture, tilt and heading in degrees."""

    layout: str
    radius: tuple[float, float]
    tilt: tuple[float, float] = (0, 50)
    heading: tuple[float, float] = (0, 360)
    florets: tuple[int, int] = (1, 1)
    leaf: str = "lance"


@dataclass(frozen=True)
class Plant:
    """Heads from back to front, and stems as paths (n, 2) in pixels with their breadth."""

    heads: list[Head]
    stems: list[tuple[Vectors, float]]


def solitary(habit: Habit, size: int, rng: np.random.Generator) -> Plant:
    """One to three blossoms, each on a stem of its own; the largest comes last."""
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.27, 0.13]))
    radius = rng.uniform(*habit.radius) * size
    heads = [_head(habit, rng.normal(0.5, 0.07, 2) * size, radius, rng)]
    for _ in range(count - 1):
        shrunk = radius * rng.uniform(0.5, 0.85)
        spots = rng.uniform(0.05, 0.95, (12, 2)) * size
        gaps = np.min([np.linalg.norm(spots - h.place, axis=1) - h.radius for h in heads], axis=0)
        heads.insert(0, _head(habit, spots[np.argmin(np.abs(gaps - shrunk))], shrunk, rng))
    if rng.random() < BUDDING:
        spot = heads[-1].place + rng.choice([-1, 1]) * rng.uniform((0.8, -0.6), (1.2, 0.8)) * radius
        heads.insert(0, Head(spot, 0.5 * radius, frame(rng.uniform(60, 90), rng.uniform(-110, -70), 0), 1.0))
    return Plant(heads, [(_stem(h, size, rng), max(1.5, 0.055 * h.radius + 0.006 * size)) for h in heads])


def raceme(habit: Habit, size: int, rng: np.random.Generator) -> Plant:
    """Blossoms hanging along one or two upright stems, smaller towards the tip."""
    lanes = rng.permutation([0.3, 0.7])[: rng.integers(1, 3)] if rng.random() < 0.4 else [0.5]
    sprays = [_spray(habit, lane, size, rng) for lane in lanes]
    return Plant([h for spray in sprays for h in spray.heads], [s for spray in sprays for s in spray.stems])


def _spray(habit: Habit, lane: float, size: int, rng: np.random.Generator) -> Plant:
    top = np.array([lane + rng.normal(0, 0.09), rng.uniform(0.05, 0.2)]) * size
    path = _curve(top, top + rng.normal((0, 0.45), (0.07, 0.05)) * size, _foot(lane * size, size, rng))
    plant = Plant([], [(path, 0.02 * size)])
    radius, side = rng.uniform(*habit.radius) * size, rng.choice([-1, 1])
    count = int(rng.integers(*habit.florets, endpoint=True))
    for i, share in enumerate(np.linspace(0.02, rng.uniform(0.6, 0.8), count)):
        spot = path[int(share * (len(path) - 1))]
        side = -side if rng.random() < 0.8 else side
        grown = radius * (0.5 + 0.5 * min(1, 2.2 * i / count)) * rng.normal(1, 0.05)
        place = spot + np.array([side * rng.uniform(0.05, 0.5), 0.05]) * grown
        plant.heads.append(_head(habit, place, grown, rng, side))
        plant.stems.append((_curve(place, (place + spot) / 2 - [0, 0.15 * grown], spot), 0.009 * size))
    return plant


def umbel(habit: Habit, size: int, rng: np.random.Generator) -> Plant:
    """Many small blossoms on stalks from the tip of one stem, together a dome."""
    count = int(rng.integers(*habit.florets, endpoint=True))
    radius = rng.uniform(*habit.radius) * size
    tip = rng.normal((0.5, 0.62), 0.07) * size
    stems = [(_curve(tip, tip + [0, 0.2 * size], _foot(tip[0], size, rng)), 0.016 * size)]
    heads: list[Head] = []
    turn = frame(rng.uniform(20, 75), rng.uniform(-120, -60), 0)
    for share, angle in zip(np.sqrt((np.arange(count) + 0.5) / count), np.arange(count) * 2.4, strict=True):
        lift = np.pi / 2 * (1 - 0.8 * share) + rng.normal(0, 0.1)
        aim = turn @ [np.cos(angle) * np.cos(lift), np.sin(angle) * np.cos(lift), np.sin(lift)]
        place = tip + aim[:2] * radius * np.sqrt(count) * rng.uniform(0.8, 1.15)
        tilt, heading = np.rad2deg([np.arccos(np.clip(aim[2], 0.3, 1)), np.arctan2(aim[1], aim[0])])
        facing = frame(0.8 * tilt, heading + rng.normal(0, 20), rng.uniform(0, 360))
        heads.append(Head(place, radius * rng.uniform(0.8, 1.1), facing))
        stems.append((_curve(place, tip + [0, 0], tip), 0.007 * size))
    return Plant(sorted(heads, key=lambda h: h.frame[2, 2]), stems)


LAYOUTS: dict[str, Callable[[Habit, int, np.random.Generator], Plant]] = {
    "solitary": solitary,
    "raceme": raceme,
    "umbel": umbel,
}


def _head(habit: Habit, place: Vectors, radius: float, rng: np.random.Generator, side: int = 1) -> Head:
    heading = rng.uniform(*habit.heading)
    heading = heading if side > 0 else 180 - heading
    return Head(place, radius, frame(rng.uniform(*habit.tilt), heading, rng.uniform(0, 360)), rng.uniform(0, 0.25))


def _foot(x: float, size: int, rng: np.random.Generator) -> Vectors:
    return np.array([x + rng.normal(0, 0.15) * size, 1.05 * size])


def _stem(head: Head, size: int, rng: np.random.Generator) -> Vectors:
    back = -head.frame[:2, 2] * head.radius * 1.3
    return _curve(head.place, head.place + back + [0, 0.1 * size], _foot(head.place[0] + 0.5 * back[0], size, rng))


def _curve(start: Vectors, bend: Vectors, end: Vectors) -> Vectors:
    t = CURVE
    return start * (1 - t) ** 2 + 2 * bend * t * (1 - t) + end * t * t


def paint_stems(layer: Floats, plant: Plant, green: RGB, light: Vectors) -> None:
    """Paint the stems of plant on layer (H, W, 4) in green, brighter on the side of light (3,)."""
    canvas = np.zeros(layer.shape, np.uint8)
    for path, breadth in plant.stems:
        for shade, share in STEM_SHADES if breadth > THIN else STEM_SHADES[1:2]:
            points = np.round(16 * (path + light[:2] * breadth * (1 - share) * 0.5)).astype(np.int32)
            red, green_, blue = (min(255, c * shade) for c in green)
            cv2.polylines(
                canvas, [points], False, (red, green_, blue, 255), max(1, round(breadth * share)), cv2.LINE_AA, 4
            )
    stamp(layer, canvas.astype(np.float32) / 255, np.eye(2, 3))


def leaf_palette(rng: np.random.Generator) -> Palette:
    """Greens of one plant's leaves."""
    dark = np.array([50, 86, 36]) * rng.uniform(0.7, 1.2) + rng.normal(0, 9, 3)
    dark, bright = np.clip(dark, 0, 255), np.clip(dark * rng.uniform(1.1, 1.5), 0, 255)
    pale = np.clip(bright * 1.25 + 12, 0, 255)
    return Palette(*((int(c[0]), int(c[1]), int(c[2])) for c in (dark, bright, pale)))


def paint_leaves(layer: Floats, kind: str, feet: Vectors, length: float, rng: np.random.Generator) -> None:
    """Paint leaves of a kind in LEAVES, each from one of feet (n, 2), of about length pixels on layer (H, W, 4)."""
    sprite = petal_sprite(LEAVES[kind], leaf_palette(rng), 0.7 * length, rng)
    count = len(feet)
    upright = kind in ("blade", "sword")
    angles = rng.normal(-np.pi / 2, 0.35, count) if upright else rng.uniform(-np.pi, 0, count)
    _scatter(layer, sprite, feet, _ways(angles) * (length * rng.uniform(0.7, 1.1, (count, 1))), rng)


def _ways(angles: Vectors) -> Vectors:
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def _scatter(layer: Floats, sprite: Floats, feet: Vectors, along: Vectors, rng: np.random.Generator) -> None:
    """Stamp sprite on layer from feet to feet + along, both (n, 2), more or less narrowed."""
    count = len(feet)
    side = along[:, ::-1] * [-1, 1] * (rng.uniform(0.5, 1, count) * rng.choice([-1, 1], count))[:, None]
    for matrix, shade in zip(placed(sprite, feet, along, side), rng.uniform(0.65, 1.1, count), strict=True):
        stamp(layer, sprite, matrix, shade)


def leaf_feet(plant: Plant, rng: np.random.Generator) -> Vectors:
    """Places (n, 2) on the main stems of plant, below the blossoms, where leaves grow."""
    paths = [path for path, _ in plant.stems if len(path) and path[-1, 1] > path[0, 1]]
    picks = rng.integers(len(paths), size=rng.integers(1, 6))
    return np.array([paths[i][rng.integers(len(CURVE) // 2, len(CURVE))] for i in picks])


def over(layer: Floats, picture: Floats) -> Floats:
    """Picture (H, W, 3) seen under layer (H, W, 4)."""
    clear = 1 - layer[..., 3]
    return picture * cv2.merge([clear, clear, clear]) + cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)


def light(rng: np.random.Generator) -> Vectors:
    """Draw a unit vector (3,) towards a light above and in front of the scene."""
    towards = np.array([rng.normal(0, 0.6), -rng.uniform(0.1, 0.9), rng.uniform(0.5, 1.1)])
    return towards / np.linalg.norm(towards)


def _resized(picture: cv2.typing.MatLike, size: int) -> Floats:
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _patches(size: int, colours: tuple[RGB, ...], cells: int, rng: np.random.Generator) -> Floats:
    """Out-of-focus patches of the colours, about cells of them along an edge."""
    picks = np.array(colours, np.float32)[rng.integers(len(colours), size=(cells, cells))] / 255
    soft = cv2.GaussianBlur(picks * rng.normal(1, 0.12, (cells, cells, 1)).astype(np.float32), (0, 0), 0.6)
    return _resized(soft, size)


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


BACKGROUNDS: dict[str, Callable[[int, np.random.Generator], Floats]] = {
    "greenery": _greenery,
    "soil": _soil,
    "sky": _sky,
    "wall": _wall,
    "bokeh": _bokeh,
}


def background(size: int, rng: np.random.Generator) -> Floats:
    """One of BACKGROUNDS with blurred leaves, grass and stray petals before it, (size, size, 3)."""
    half = size // 2  # all of it is out of focus
    kind = rng.choice(list(BACKGROUNDS), p=[0.4, 0.16, 0.12, 0.1, 0.22])
    layer = np.zeros((half, half, 4), np.float32)
    for leaf in rng.choice(list(LEAVES), rng.integers(1, 4)):
        feet = rng.uniform((0, 0.3), (1, 1.2), (rng.integers(2, 8), 2)) * half
        paint_leaves(layer, leaf, feet, half * rng.uniform(0.15, 0.6), rng)
    _strays(layer, rng)
    picture = over(_blurred(layer, rng.uniform(0.006, 0.025)), BACKGROUNDS[kind](half, rng))
    return _resized(picture, size)


def _blurred(layer: Floats, share: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), share * layer.shape[0]), np.float32)


def _strays(layer: Floats, rng: np.random.Generator) -> None:
    """Petals of other flowers, out of focus, on some pictures' layer."""
    size, shape = layer.shape[0], Petal(rng.choice(["round", "strap", "wedge"]), rng.uniform(0.25, 0.9))
    colour = STRAYS[rng.integers(len(STRAYS))]
    sprite = petal_sprite(shape, Palette(colour, colour, colour), size * 0.12, rng)
    count = rng.integers(1, 8) if rng.random() < LITTER else 0
    along = _ways(rng.uniform(0, 2 * np.pi, count)) * size * rng.uniform(0.06, 0.16)
    _scatter(layer, sprite, rng.uniform(0, size, (count, 2)), along, rng)


def through_grass(picture: Floats, rng: np.random.Generator) -> Floats:
    """Picture (size, size, 3) with, in some cases, blades of grass close to the camera before it."""
    if rng.random() > GRASS:
        return picture
    size = len(picture)
    layer = np.zeros((size // 2, size // 2, 4), np.float32)
    feet = rng.uniform((0, 1.0), (1, 1.3), (rng.integers(1, 5), 2)) * len(layer)
    paint_leaves(layer, "blade", feet, len(layer) * rng.uniform(0.4, 0.9), rng)
    return over(_resized(_blurred(layer, rng.uniform(0.008, 0.02)), size).clip(0, 1), picture)


def photograph(picture: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Picture as a camera takes it: exposure, white balance, vignette, slight blur and noise."""
    size = picture.shape[0]
    ramp = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    fall = 255 * (1 - rng.uniform(0.05, 0.3) * (ramp[:, None] + ramp) / 2)
    gains = (rng.uniform(0.82, 1.15) * rng.normal(1, 0.03, 3)).tolist()
    taken = cv2.GaussianBlur(picture, (0, 0), size / 192 * rng.uniform(0.25, 0.9)) * cv2.merge(
        [fall * g for g in gains]
    )
    taken += rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(1.5, 5.5))
    return np.clip(np.rint(taken), 0, 255).astype(np.uint8)
