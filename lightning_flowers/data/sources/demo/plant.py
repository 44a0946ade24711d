"""How plants of different habits carry their blossoms: alone, along a stem, or together as a dome."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lightning_flowers.data.sources.demo.parts import Habit, Head, Vectors, frame
from lightning_flowers.data.sources.demo.stem import Stem, curve, foot, main_stem

BUDDING = 0.3  # share of the pictures of solitary blossoms that show a bud too


@dataclass(frozen=True)
class Plant:
    """Heads from back to front, and stems."""

    heads: list[Head]
    stems: list[Stem]


def solitary(habit: Habit, size: int, rng: np.random.Generator) -> Plant:
    """One to three blossoms, each on a stem of its own; the largest comes last."""
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.27, 0.13]))
    radius = rng.uniform(*habit.radius) * size
    heads = [_head(habit, rng.normal(0.5, 0.07, 2) * size, radius, rng)]
    for _ in range(count - 1):
        shrunk = radius * rng.uniform(0.5, 0.85)
        heads.insert(0, _head(habit, _gap(heads, shrunk, size, rng), shrunk, rng))
    if rng.random() < BUDDING:
        heads.insert(0, _bud(heads[-1].place, radius, rng))
    return Plant(heads, [main_stem(head, size, rng) for head in heads])


def _gap(heads: list[Head], radius: float, size: int, rng: np.random.Generator) -> Vectors:
    """Where (2,) another blossom of that radius best fits between heads."""
    spots = rng.uniform(0.05, 0.95, (12, 2)) * size
    gaps = np.min([np.linalg.norm(spots - h.place, axis=1) - h.radius for h in heads], axis=0)
    return spots[np.argmin(np.abs(gaps - radius))]


def _bud(beside: Vectors, radius: float, rng: np.random.Generator) -> Head:
    spot = beside + rng.choice([-1, 1]) * rng.uniform((0.8, -0.6), (1.2, 0.8)) * radius
    return Head(spot, 0.5 * radius, frame(rng.uniform(60, 90), rng.uniform(-110, -70), 0), 1.0)


def raceme(habit: Habit, size: int, rng: np.random.Generator) -> Plant:
    """Blossoms hanging along one or two upright stems, smaller towards the tip."""
    lanes = rng.permutation([0.3, 0.7])[: rng.integers(1, 3)] if rng.random() < 0.4 else [0.5]
    sprays = [_spray(habit, lane, size, rng) for lane in lanes]
    return Plant([h for spray in sprays for h in spray.heads], [s for spray in sprays for s in spray.stems])


def _spray(habit: Habit, lane: float, size: int, rng: np.random.Generator) -> Plant:
    top = np.array([lane + rng.normal(0, 0.09), rng.uniform(0.05, 0.2)]) * size
    path = curve(top, top + rng.normal((0, 0.45), (0.07, 0.05)) * size, foot(lane * size, size, rng))
    plant = Plant([], [Stem(path, 0.02 * size)])
    radius, side = rng.uniform(*habit.radius) * size, rng.choice([-1, 1])
    count = int(rng.integers(*habit.florets, endpoint=True))
    for i, share in enumerate(np.linspace(0.02, rng.uniform(0.6, 0.8), count)):
        side = -side if rng.random() < 0.8 else side
        grown = radius * (0.5 + 0.5 * min(1, 2.2 * i / count)) * rng.normal(1, 0.05)
        spot = path[int(share * (len(path) - 1))]
        place = spot + np.array([side * rng.uniform(0.05, 0.5), 0.05]) * grown
        plant.heads.append(_head(habit, place, grown, rng, side))
        plant.stems.append(Stem(curve(place, (place + spot) / 2 - [0, 0.15 * grown], spot), 0.009 * size))
    return plant


def umbel(habit: Habit, size: int, rng: np.random.Generator) -> Plant:
    """Many small blossoms on stalks from the tip of one stem, together a dome."""
    count = int(rng.integers(*habit.florets, endpoint=True))
    radius = rng.uniform(*habit.radius) * size
    tip = rng.normal((0.5, 0.62), 0.07) * size
    stem = Stem(curve(tip, tip + [0, 0.2 * size], foot(tip[0], size, rng)), 0.016 * size)
    turn = frame(rng.uniform(20, 75), rng.uniform(-120, -60), 0)
    shares, angles = np.sqrt((np.arange(count) + 0.5) / count), np.arange(count) * 2.4
    spread = radius, np.sqrt(count)
    heads = [_on_dome(turn @ _aim(*way, rng), tip, spread, rng) for way in zip(shares, angles, strict=True)]
    stalks = [Stem(curve(head.place, tip, tip), 0.007 * size) for head in heads]
    return Plant(sorted(heads, key=lambda head: head.frame[2, 2]), [stem, *stalks])


def _aim(share: float, angle: float, rng: np.random.Generator) -> Vectors:
    """Unit vector (3,) from the middle of an upright dome to a blossom at share of its radius."""
    lift = np.pi / 2 * (1 - 0.8 * share) + rng.normal(0, 0.1)
    return np.array([np.cos(angle) * np.cos(lift), np.sin(angle) * np.cos(lift), np.sin(lift)])


def _on_dome(aim: Vectors, tip: Vectors, spread: tuple[float, float], rng: np.random.Generator) -> Head:
    """A blossom in the direction aim (3,) from tip (2,); spread is its radius, and the dome's in those radii."""
    radius, reach = spread
    place = tip + aim[:2] * radius * reach * rng.uniform(0.8, 1.15)
    tilt, heading = np.rad2deg([np.arccos(np.clip(aim[2], 0.3, 1)), np.arctan2(aim[1], aim[0])])
    facing = frame(0.8 * tilt, heading + rng.normal(0, 20), rng.uniform(0, 360))
    return Head(place, radius * rng.uniform(0.8, 1.1), facing)


LAYOUTS: dict[str, Callable[[Habit, int, np.random.Generator], Plant]] = {
    "solitary": solitary,
    "raceme": raceme,
    "umbel": umbel,
}


def _head(habit: Habit, place: Vectors, radius: float, rng: np.random.Generator, side: int = 1) -> Head:
    heading = rng.uniform(*habit.heading)
    heading = heading if side > 0 else 180 - heading
    return Head(place, radius, frame(rng.uniform(*habit.tilt), heading, rng.uniform(0, 360)), rng.uniform(0, 0.25))
