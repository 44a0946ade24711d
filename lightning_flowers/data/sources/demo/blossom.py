"""Blossoms seen in perspective: petals set in whorls around a centre."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lightning_flowers.data.sources.demo.centre import paint_centre
from lightning_flowers.data.sources.demo.layer import placed, shadowed, stamp
from lightning_flowers.data.sources.demo.parts import GOLDEN_ANGLE, Centre, Floats, Head, Palette, Vectors, Whorl
from lightning_flowers.data.sources.demo.petal import petal_sprite

EDGE = 0.35  # least breadth of a petal seen edge-on, as a share of its breadth
BUD = 0.6  # a blossom closed further than this shows no centre
VARIANTS = 2  # differing petals drawn for a whorl; its others are these again, mirrored, turned, stretched and shaded
POSES = 5  # blossoms drawn for a plant; its others are these again, stretched and shaded
ORDERS: dict[str, Callable[[int], Vectors]] = {
    "ring": lambda count: np.linspace(0, 2 * np.pi, count, endpoint=False),
    "spiral": lambda count: np.linspace(0, GOLDEN_ANGLE * (count - 1), count),
}


@dataclass(frozen=True)
class _Placed:
    """A petal on the screen; hides tells that its back shows, so that it stands before the centre."""

    hides: bool
    depth: float
    sprite: Floats
    matrix: Vectors
    shade: float


class Blossom:
    """Petal sprites of one plant, ready to be painted as any number of heads of at most radius pixels.

    Args:
        whorls: the petals, from the outermost to the innermost.
        palette: colours of the petals in whorls without a palette of their own.
    """

    def __init__(
        self, whorls: Sequence[Whorl], centre: Centre, palette: Palette, radius: float, rng: np.random.Generator
    ) -> None:
        self.whorls, self.centre, self.rng = whorls, centre, rng
        self.sprites = [
            [petal_sprite(w.petal, w.palette or palette, radius * max(w.length), rng) for _ in range(VARIANTS)]
            for w in whorls
        ]

    def paint(self, layer: Floats, heads: Sequence[Head], light: Vectors) -> None:
        """Paint a blossom at each of heads on layer (H, W, 4), lit from the unit vector light (3,)."""
        if len(heads) > POSES:
            self._paint_many(layer, heads, light)
            return
        for head in heads:
            self._paint(layer, head, light)

    def _paint_many(self, layer: Floats, heads: Sequence[Head], light: Vectors) -> None:
        half = int(1.5 * max(head.radius for head in heads))
        models = [replace(h, place=np.array([half, half])) for h in heads[:: -(-len(heads) // POSES)]]
        tiles = [self._tile(2 * half, model, light) for model in models]
        for head in heads:
            pose = int(np.argmax([m.frame[:, 2] @ head.frame[:, 2] for m in models]))
            scale = head.radius / models[pose].radius
            matrix = np.column_stack([np.eye(2) * scale, head.place - half * scale])
            stamp(layer, tiles[pose], matrix, self.rng.normal(1, 0.06))

    def _tile(self, edge: int, head: Head, light: Vectors) -> Floats:
        tile = np.zeros((edge, edge, 4), np.float32)
        self._paint(tile, head, light)
        return shadowed(tile)

    def _paint(self, layer: Floats, head: Head, light: Vectors) -> None:
        petals = [petal for k in range(len(self.whorls)) for petal in self._petals(k, head, light)]
        petals.sort(key=lambda petal: petal.depth)
        _stamp_all(layer, [petal for petal in petals if not petal.hides])
        if head.closed < BUD:
            paint_centre(layer, self.centre, head, light, self.rng)
        _stamp_all(layer, [petal for petal in petals if petal.hides])

    def _petals(self, k: int, head: Head, light: Vectors) -> Iterator[_Placed]:
        rng, whorl, sprites = self.rng, self.whorls[k], self.sprites[k]
        out, along, side, lengths = self._pose(k, head)
        count, face = len(out), np.cross(along, side)
        base = head.place + head.radius * ((out * whorl.rim + [0, 0, whorl.height]) @ head.frame.T)[:, :2]
        shades = _shades(face, light) * rng.normal(1, 0.05, count)
        widths = lengths * rng.normal(1, 0.06, (count, 1)) * rng.choice([-1, 1], (count, 1))
        matrices = placed(sprites[0], base, along[:, :2] * lengths, _rounded(along[:, :2], side[:, :2]) * widths)
        depths = along[:, 2] * lengths[:, 0] / 2 + whorl.height * head.radius * head.frame[2, 2]
        for i, variant in enumerate(rng.integers(VARIANTS, size=count)):
            yield _Placed(bool(face[i, 2] < 0), float(depths[i]), sprites[variant], matrices[i], float(shades[i]))

    def _pose(self, k: int, head: Head) -> tuple[Vectors, Vectors, Vectors, Vectors]:
        """Of the n petals in whorl k: the way out in the blossom, the unit vectors along and aside, and the lengths."""
        rng, whorl = self.rng, self.whorls[k]
        count = int(rng.integers(*whorl.count, endpoint=True))
        angles = ORDERS[whorl.order](count) + k * np.pi / count + rng.normal(0, 0.35 / count**0.8, count)
        lifts = np.linspace(*whorl.lift, count) + rng.normal(0, 4, count)
        lifts = np.deg2rad(lifts + np.maximum(84 - lifts, 0) * head.closed)[:, None]
        out = np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
        along = (out * np.cos(lifts) + [[0, 0, 1]] * np.sin(lifts)) @ head.frame.T
        side = (out[:, [1, 0, 2]] * [-1, 1, 0]) @ head.frame.T
        lengths = np.linspace(*whorl.length, count)[:, None] * rng.normal(1, 0.04, (count, 1)) * head.radius
        return out, along, side, lengths


def _stamp_all(layer: Floats, petals: Sequence[_Placed]) -> None:
    for petal in petals:
        stamp(layer, petal.sprite, petal.matrix, petal.shade)


def _shades(faces: Vectors, light: Vectors) -> Vectors:
    lit = np.sign(faces[:, 2]) * (faces @ light)
    return 0.66 + 0.44 * np.maximum(lit, 0) + 0.12 * np.minimum(lit, 0)


def _rounded(along: Vectors, side: Vectors) -> Vectors:
    """Side (n, 2) with breadth left even where a flat petal would be seen edge-on: petals are hollow, not flat."""
    normal = along[:, ::-1] * [-1, 1] / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    breadth = (side * normal).sum(1, keepdims=True)
    return side + normal * (np.copysign(np.maximum(np.abs(breadth), EDGE), breadth) - breadth)
