"""Sprites and the layers that they are laid on.

Both are float32 RGBA images with values in [0, 1], their colours multiplied by their cover.
"""

import cv2
import numpy as np

from lightning_flowers.data.sources.demo.parts import Floats, Vectors

SHADOW = 0.4  # cover of the shadow that a petal throws on what lies right under its edge
MARGIN = 0.1  # room for that shadow around a sprite, in petal lengths


def stamp(layer: Floats, sprite: Floats, matrix: Vectors, shade: float = 1.0) -> None:
    """Lay sprite (h, w, 4), moved by the affine matrix (2, 3) and brightened by shade, over layer (H, W, 4)."""
    across, down = matrix.tolist()
    left, right = _extent(across, sprite.shape, layer.shape[1])
    top, bottom = _extent(down, sprite.shape, layer.shape[0])
    if right > left and bottom > top:
        patch = cv2.warpAffine(sprite, matrix - [[0, 0, left], [0, 0, top]], (right - left, bottom - top))
        lay(layer[top:bottom, left:right], patch, shade)


def lay(under: Floats, patch: cv2.typing.MatLike, shade: float = 1.0) -> None:
    """Lay patch, brightened by shade, over under, both (h, w, 4); the patch is used up."""
    clear = 1 - cv2.extractChannel(patch, 3)
    # Half of the shadow lies under a petal's edge.
    cover = 1 - (1 - under[..., 3]) * np.minimum(clear * (1 / (1 - SHADOW / 2)), 1)
    under *= cv2.merge([clear, clear, clear, clear])  # many times faster than broadcasting over four channels
    patch *= np.float32(shade)
    under += patch
    under[..., 3] = cover


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


def scatter(layer: Floats, sprite: Floats, feet: Vectors, along: Vectors, rng: np.random.Generator) -> None:
    """Stamp sprite on layer (H, W, 4) from feet to feet + along, both (n, 2), more or less narrowed."""
    count = len(feet)
    side = along[:, ::-1] * [-1, 1] * (rng.uniform(0.5, 1, count) * rng.choice([-1, 1], count))[:, None]
    for matrix, shade in zip(placed(sprite, feet, along, side), rng.uniform(0.65, 1.1, count), strict=True):
        stamp(layer, sprite, matrix, shade)


def ways(angles: Vectors) -> Vectors:
    """Unit vectors (n, 2) of the angles (n,) in radians."""
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def shadowed(picture: Floats) -> Floats:
    """Sprite of a painted picture (h, w, 4): the same array with a shadow around what is painted."""
    halo = SHADOW * cv2.GaussianBlur(picture[..., 3], (0, 0), 1.5)
    picture[..., 3] = halo + (1 - halo) * picture[..., 3]
    return picture


def over(layer: Floats, picture: Floats) -> Floats:
    """Picture (H, W, 3) seen under layer (H, W, 4)."""
    clear = 1 - layer[..., 3]
    return picture * cv2.merge([clear, clear, clear]) + cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)


def blurred(layer: Floats, share: float) -> Floats:
    """Layer out of focus by share of its height."""
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), share * layer.shape[0]), np.float32)


def resized(picture: cv2.typing.MatLike, size: int) -> Floats:
    """Picture or layer at (size, size) pixels."""
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
