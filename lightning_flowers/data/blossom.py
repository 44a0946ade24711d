"""Parts of a drawn flower: petals as shaded sprites, and their assembly to a blossom seen in perspective.

Screen axes are x to the right, y down and z towards the viewer. Lengths inside a blossom are in blossom radii.
Sprites and layers are float32 RGBA images with values in [0, 1], their colours multiplied by their cover.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]  # float32 at run time, which the stubs lose in arithmetic with Python floats
Vectors = NDArray[np.float64]
RGB = tuple[int, int, int]
Span = tuple[float, float]

GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
SHADOW = 0.4  # cover of the shadow that a petal throws on what lies right under its edge
MARGIN = 0.1  # room for that shadow around a sprite, in petal lengths
EDGE = 0.35  # least breadth of a petal seen edge-on, as a share of its breadth
BUD = 0.6  # a blossom closed further than this shows no centre
VARIANTS = 2  # differing petals drawn for a whorl; its others are these again, mirrored, turned, stretched and shaded
POSES = 5  # blossoms drawn for a plant; its others are these again, stretched and shaded


@dataclass(frozen=True)
class Petal:
    """One petal, or leaf: the key of its outline, and width, cuts and markings in petal lengths and shares."""

    outline: str
    width: float
    notch: float = 0.0
    teeth: float = 0.0
    ruffle: float = 0.0
    veins: float = 0.25
    blotch: float = 0.0
    spots: int = 0
    fade: Span = (0.0, 1.0)


@dataclass(frozen=True)
class Palette:
    """Colours of a petal: at its base, at its tip, and of its veins, blotch and spots."""

    base: RGB
    tip: RGB
    marks: RGB


@dataclass(frozen=True)
class Whorl:
    """Petals set around one axis; pairs of length and lift (degrees) run from the first to the last petal."""

    petal: Petal
    count: tuple[int, int]
    length: Span = (1.0, 1.0)
    lift: Span = (8.0, 8.0)
    order: str = "ring"
    height: float = 0.0
    rim: float = 0.0
    palette: Palette | None = None


@dataclass(frozen=True)
class Centre:
    """Disc or dome of florets from inner to rim colour, and stamens that end in anthers."""

    radius: float
    inner: RGB
    rim: RGB
    dome: float = 0.3
    stamens: int = 0
    reach: float = 0.3
    anther: RGB = (225, 180, 50)


@dataclass(frozen=True)
class Head:
    """Where one blossom is: place (2,) and radius in pixels, rotation (3, 3) into screen axes, 1 for a closed bud."""

    place: Vectors
    radius: float
    frame: Vectors
    closed: float = 0.0


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
ORDERS: dict[str, Callable[[int], Vectors]] = {
    "ring": lambda count: np.linspace(0, 2 * np.pi, count, endpoint=False),
    "spiral": lambda count: np.linspace(0, GOLDEN_ANGLE * (count - 1), count),
}


def frame(tilt: float, heading: float, spin: float) -> Vectors:
    """Rotation (3, 3) of a blossom that leans by tilt towards the screen direction heading; all in degrees."""
    lean, turn, roll = np.deg2rad([tilt, heading, spin - heading])
    return (
        _about_z(turn)
        @ np.array([[np.cos(lean), 0, np.sin(lean)], [0, 1, 0], [-np.sin(lean), 0, np.cos(lean)]])
        @ (_about_z(roll))
    )


def _about_z(angle: float) -> Vectors:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def petal_sprite(petal: Petal, palette: Palette, length: float, rng: np.random.Generator) -> Floats:
    """Draw one petal, base at the top, as a sprite of about length pixels; see placed for its coordinates."""
    rows = max(8, round(0.8 * length))
    reach = petal.width * 0.55 + MARGIN
    t = (np.arange(round(rows * (1 + 2 * MARGIN)), dtype=np.float32)[:, None] / rows) - np.float32(MARGIN)
    x = np.linspace(-reach, reach, 2 * round(rows * reach) + 1, dtype=np.float32)[None, :]
    x = x - np.float32(rng.normal(0, 0.05)) * t * t
    across = x / (petal.width / 2)
    cover, rib = _cover(petal, t, across, rows, rng)
    colour = _colours(petal, palette, t, rib, rng)
    halo = SHADOW * cv2.GaussianBlur(cover, (0, 0), 0.3 * MARGIN * rows)
    return np.dstack([colour * cover[..., None], halo + (1 - halo) * cover]).astype(np.float32)


def _cover(petal: Petal, t: Floats, across: Floats, rows: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Cover of each pixel, and its place across the petal from edge (-1) to edge (1)."""
    phase, waves = rng.uniform(0, 2 * np.pi), rng.uniform(2.5, 4.5)
    cut = petal.notch * np.exp(-((across / 0.35) ** 2)) + petal.teeth * np.abs(np.sin(4.5 * across + phase))
    along = t * (1 + cut + petal.ruffle * 0.5 * (1 + np.sin(waves * across + phase)) * across * across)
    outline = OUTLINES[petal.outline](np.linspace(0, 1, 512, dtype=np.float32))
    half = outline[(np.clip(along, 0, 1) * 511).astype(np.int32)] * (1 + petal.ruffle * np.sin(17 * t + phase) * t)
    inside = (half - np.abs(across)) * (petal.width / 2 * rows)
    inside = np.minimum(inside, (1 - along) * rows)
    inside = np.minimum(inside, (t + 0.03) * rows)
    slope = np.hypot(*np.gradient(inside))
    rib = np.clip(across / np.maximum(half, 0.05), -1, 1)
    return np.clip(inside / np.maximum(slope, 1) + 0.5, 0, 1).astype(np.float32), rib


def _colours(petal: Petal, palette: Palette, t: Floats, rib: Floats, rng: np.random.Generator) -> Floats:
    base, tip, marks = (np.array(c, np.float32) / 255 for c in (palette.base, palette.tip, palette.marks))
    mix = _smooth(t, *petal.fade)[..., None]
    marked = np.clip(_veins(petal, t, rib, rng) + _blotches(petal, t, rib, rng), 0, 1)[..., None]
    colour = base + (tip - base) * mix
    mottle = cv2.resize(rng.normal(1, 0.06, (6, 4)).astype(np.float32), rib.shape[::-1], interpolation=cv2.INTER_CUBIC)
    folds = petal.ruffle * np.sin(9 * rib + rng.uniform(0, 6)) * t
    relief = mottle * (1 - 0.2 * rib * rib - 0.35 * np.exp(-np.maximum(t, 0) / 0.16) + folds + 0.08 * t)
    return np.clip((colour + (marks - colour) * marked) * relief[..., None], 0, 1)


def _veins(petal: Petal, t: Floats, rib: Floats, rng: np.random.Generator) -> Floats:
    lines = (np.cos(2 * np.pi * rib * (2 + 3 * petal.width) + rng.normal(0, 0.3)) ** 2) ** 2
    midrib = np.exp(-((rib / 0.07) ** 2))
    return petal.veins * (lines * 0.6 + midrib) * (1 - 0.7 * np.clip(t, 0, 1))


def _blotches(petal: Petal, t: Floats, rib: Floats, rng: np.random.Generator) -> Floats:
    blotch = (
        1 - _smooth(t + 0.08 * np.cos(5 * rib), petal.blotch - 0.1, petal.blotch + 0.04) if petal.blotch else 0 * rib
    )
    for at, side in rng.uniform((0.12, -0.7), (0.62, 0.7), (petal.spots, 2)).tolist():
        blotch = np.maximum(blotch, np.exp(-(((t - at) / 0.022) ** 2) - ((rib - side) / 0.1) ** 2))
    return blotch


def stamp(layer: Floats, sprite: Floats, matrix: Vectors, shade: float = 1.0) -> None:
    """Lay sprite (h, w, 4), moved by the affine matrix (2, 3) and brightened by shade, over layer (H, W, 4)."""
    (left, right), (top, bottom) = (
        _extent(row, sprite.shape, limit) for row, limit in zip(matrix.tolist(), layer.shape[1::-1], strict=True)
    )
    if right <= left or bottom <= top:
        return
    patch = cv2.warpAffine(sprite, matrix - [[0, 0, left], [0, 0, top]], (right - left, bottom - top))
    under = layer[top:bottom, left:right]
    cover = cv2.extractChannel(patch, 3)
    clear = np.minimum((1 - cover) * (1 / (1 - SHADOW / 2)), 1)  # half of the shadow lies under a petal's edge
    alpha = 1 - (1 - under[..., 3]) * clear
    cover = 1 - cover
    under *= cv2.merge([cover, cover, cover, cover])  # many times faster than broadcasting over four channels
    under += patch * np.float32(shade)
    under[..., 3] = alpha


def _extent(row: list[float], shape: tuple[int, ...], limit: int) -> tuple[int, int]:
    """First and last + 1 pixel along one axis, inside limit, of a sprite that the row of a matrix moves."""
    across, along = row[0] * shape[1], row[1] * shape[0]
    low, high = row[2] + min(across, 0) + min(along, 0), row[2] + max(across, 0) + max(along, 0)
    return max(int(low) - 1, 0), min(int(high) + 2, limit)


def placed(sprite: Floats, origins: Vectors, along: Vectors, across: Vectors) -> Vectors:
    """Matrices (n, 2, 3) that put a sprite's base at origins and its tip at origins + along, all (n, 2) in pixels.

    Across, (n, 2), is the step to the petal's side that is as long as its length.
    """
    rows = sprite.shape[0] / (1 + 2 * MARGIN)
    starts = origins - across * ((sprite.shape[1] - 1) / 2 / rows) - along * MARGIN
    return np.stack([across / rows, along / rows, starts], 2)


def _shades(faces: Vectors, light: Vectors) -> Vectors:
    lit = np.sign(faces[:, 2]) * (faces @ light)
    return 0.66 + 0.44 * np.maximum(lit, 0) + 0.12 * np.minimum(lit, 0)


def _rounded(along: Vectors, side: Vectors) -> Vectors:
    """Side (n, 2) with breadth left even where a flat petal would be seen edge-on: petals are hollow, not flat."""
    normal = along[:, ::-1] * [-1, 1] / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    breadth = (side * normal).sum(1, keepdims=True)
    return side + normal * (np.copysign(np.maximum(np.abs(breadth), EDGE), breadth) - breadth)


def paint_centre(layer: Floats, centre: Centre, head: Head, light: Vectors, rng: np.random.Generator) -> None:
    """Paint disc florets and stamens of the blossom at head on layer (H, W, 4)."""
    radius = centre.radius * head.radius
    half = int(np.ceil(max(radius * (1 + centre.dome), centre.reach * head.radius * 1.2 * bool(centre.stamens)))) + 3
    canvas = np.zeros((4 * half, 4 * half, 4), np.uint8)
    if radius > 0:
        _florets(canvas, centre, head, light, rng)
    if centre.stamens:
        _stamens(canvas, centre, head, rng)
    shift = head.place - half
    sprite = cv2.resize(canvas, (2 * half, 2 * half), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    stamp(layer, shadowed(sprite), np.column_stack([np.eye(2), shift]))


def shadowed(picture: Floats) -> Floats:
    """Sprite of a painted picture (h, w, 4): the same with a shadow around it."""
    halo = SHADOW * cv2.GaussianBlur(picture[..., 3], (0, 0), 1.5)
    picture[..., 3] = halo + (1 - halo) * picture[..., 3]
    return picture


def _florets(canvas: NDArray[np.uint8], centre: Centre, head: Head, light: Vectors, rng: np.random.Generator) -> None:
    radius, turn = 2 * centre.radius * head.radius, head.frame
    count = int(np.clip(radius * radius / 16, 7, 140))
    share = np.sqrt((np.arange(count) + 0.5) / count)
    angle = np.arange(count) * GOLDEN_ANGLE
    spots = np.stack([share * np.cos(angle), share * np.sin(angle), centre.dome * (1 - share**2)], 1) @ turn.T
    normals = np.stack([share * np.cos(angle), share * np.sin(angle), 0 * share + 0.8], 1) @ turn.T
    bright = 0.6 + 0.5 * np.clip(normals @ light, -0.3, 1) + rng.normal(0, 0.07, count)
    hues = np.array(centre.inner) + (np.array(centre.rim, float) - centre.inner) * (share**1.5)[:, None]
    size = max(1.2, 1.15 * radius / np.sqrt(count))
    order = np.argsort(spots[:, 2])
    _beads(canvas, spots[order] * radius, size, hues[order] * bright[order, None], light[:2] * 0.3)


def _stamens(canvas: NDArray[np.uint8], centre: Centre, head: Head, rng: np.random.Generator) -> None:
    radius, turn = 2 * head.radius, head.frame
    count = centre.stamens
    angles = np.arange(count) * GOLDEN_ANGLE + rng.normal(0, 0.2, count)
    lifts = np.deg2rad(rng.uniform(30, 70, count))
    tips = np.stack([np.cos(angles) * np.cos(lifts), np.sin(angles) * np.cos(lifts), np.sin(lifts)], 1) @ turn.T
    tips = (tips * radius * centre.reach * rng.uniform(0.75, 1.1, (count, 1)))[np.argsort(tips[:, 2])]
    size = max(1.3, radius * 0.024)
    root = _fixed(canvas, np.zeros((1, 2)))[0]
    for tip in _fixed(canvas, tips):
        cv2.line(canvas, root, tip, (200, 205, 130, 255), 1 + int(size / 3), cv2.LINE_AA, 4)
    _beads(canvas, tips, size, np.array(centre.anther) * rng.uniform(0.7, 1.1, (count, 1)), np.array([-0.2, -0.2]))


def _beads(canvas: NDArray[np.uint8], spots: Vectors, size: float, hues: Vectors, shine: Vectors) -> None:
    """Dots of the hues (n, 3) at spots (n, 2 or 3), each with a darker rim away from the direction shine (2,)."""
    wide, narrow = max(8, round(16 * 1.3 * size)), max(8, round(16 * 0.8 * size))
    lit = _fixed(canvas, spots[:, :2] + shine * size)
    for spot, top, hue in zip(_fixed(canvas, spots), lit, np.clip(hues, 0, 255).tolist(), strict=True):
        cv2.circle(canvas, spot, wide, (*(0.6 * c for c in hue), 255), -1, cv2.LINE_AA, 4)
        cv2.circle(canvas, top, narrow, (*hue, 255), -1, cv2.LINE_AA, 4)


def _fixed(canvas: NDArray[np.uint8], spots: Vectors) -> list[tuple[int, int]]:
    """Spots (n, 2 or 3) around the middle of canvas in the sixteenths of a pixel that OpenCV draws with."""
    return [(x, y) for x, y in np.round(16 * (spots[:, :2] + canvas.shape[0] / 2)).astype(int).tolist()]


@dataclass(frozen=True)
class _Placed:
    """A petal on the screen; hides tells that its back shows, so that it stands before the centre."""

    hides: bool
    depth: float
    sprite: Floats
    matrix: Vectors
    shade: float


class Blossom:
    """Petal sprites of one plant, ready to be painted as any number of heads of at most radius pixels."""

    def __init__(
        self, whorls: Sequence[Whorl], centre: Centre, palette: Palette, radius: float, rng: np.random.Generator
    ) -> None:
        """Draw the petals in the colours of palette, or in those of their whorl; see the table of species."""
        self.whorls, self.centre, self.rng = whorls, centre, rng
        self.sprites = [
            [petal_sprite(w.petal, w.palette or palette, radius * max(w.length), rng) for _ in range(VARIANTS)]
            for w in whorls
        ]

    def paint(self, layer: Floats, heads: Sequence[Head], light: Vectors) -> None:
        """Paint a blossom at each of heads on layer (H, W, 4), lit from the unit vector light (3,)."""
        if len(heads) <= POSES:
            for head in heads:
                self._paint(layer, head, light)
            return
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
        for before in (False, True):
            for petal in petals:
                if petal.hides is before:
                    stamp(layer, petal.sprite, petal.matrix, petal.shade)
            if not before and head.closed < BUD:
                paint_centre(layer, self.centre, head, light, self.rng)

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
        return (
            out,
            along,
            side,
            np.linspace(*whorl.length, count)[:, None] * rng.normal(1, 0.04, (count, 1)) * head.radius,
        )
