"""The presets, made of OpenCV and NumPy alone.

Each takes a picture uint8 (size, size, 3), where to write the result (which may be the picture), and 64 random bits.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

CROP, STUDY_CROP, RATIO = 0.25, 0.5, 4 / 3  # least share of the area, and the longer side by the shorter, at most
TURN = 30  # degrees either way
GAIN = (0.8, 1.2)  # of brightness, contrast and saturation
# Of `affine`, standard deviations: degrees, degrees, of the side.
ROTATION, SHEAR, ZOOM = 15.0, 5.0, 0.1
SHIFT = 16 / 512


def none(picture: Picture, out: Picture, bits: int) -> None:
    """The picture as it is."""
    if picture is not out:
        np.copyto(out, picture)


def flips(picture: Picture, out: Picture, bits: int) -> None:
    """Mirrored left to right, with probability 1/2."""
    none(picture, out, bits)
    if bits & 1:  # in place, as the copy is still near the core: from one place to another takes twice as long
        cv2.flip(out, 1, dst=out)


def crop(picture: Picture, out: Picture, bits: int) -> None:
    """Mirrored with probability 1/2, and a random-resized crop."""
    rng = np.random.default_rng(bits)
    np.copyto(out, _crop(picture[:, :: rng.choice((1, -1))], rng, CROP))


def study(picture: Picture, out: Picture, bits: int) -> None:
    """The seed study's: both flips, a crop; a rotation and other colours with probability 1/2 each."""
    rng = np.random.default_rng(bits)
    picture = _crop(picture[:: rng.choice((1, -1)), :: rng.choice((1, -1))], rng, STUDY_CROP)
    size = len(picture)
    if rng.random() < 0.5:
        turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), rng.uniform(-TURN, TURN), 1)
        picture = np.asarray(cv2.warpAffine(picture, turn, (size, size)), np.uint8)
    np.copyto(out, _recolour(picture, rng) if rng.random() < 0.5 else picture)


def affine(picture: Picture, out: Picture, bits: int) -> None:
    """Rotation, shear, zoom and shift of Chris Deotte's "Rotation Augmentation GPU/TPU - [0.96+]" (Kaggle, 2020).

    It too takes the nearest pixel. Two things differ: its shift is 16 px at every size, here it is so at 512 px and in
    proportion at others; and its identity moves the picture by one column, here the middle is exact.
    """
    matrix = draw_affine(np.random.default_rng(bits), *picture.shape[:2])
    warp(picture.copy() if picture is out else picture, matrix, out)


PRESETS: dict[str, Callable[[Picture, Picture, int], None]] = {
    preset.__name__: preset for preset in (none, flips, crop, study, affine)
}


def _crop(picture: Picture, rng: np.random.Generator, least: float) -> Picture:
    """Part of the picture, at least such a share of its area, as large as the whole."""
    size, area = len(picture), rng.uniform(least, 1.0)
    widest = min(np.log(RATIO), -np.log(area))  # what still fits
    ratio = np.exp(rng.uniform(-widest, widest))
    width, height = (max(1, round(size * np.sqrt(share))) for share in (area * ratio, area / ratio))
    left, top = rng.integers(size - width, endpoint=True), rng.integers(size - height, endpoint=True)
    part = np.ascontiguousarray(picture[top : top + height, left : left + width])
    return np.asarray(cv2.resize(part, (size, size)), np.uint8)


def _recolour(picture: Picture, rng: np.random.Generator) -> Picture:
    """Brightness, then contrast about the mean, then saturation, in one sum."""
    bright, contrast, saturation = rng.uniform(*GAIN, 3).tolist()
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    kept, shift = bright * contrast, bright * (1 - contrast) * float(grey.mean())
    greys = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(picture, kept * saturation, greys, kept * (1 - saturation), shift), np.uint8)


def affine_matrix(
    rotation: float, shear: float, zoom: tuple[float, float], shift: tuple[float, float]
) -> NDArray[np.float64]:
    """The matrix (3, 3) that takes a place of the warped picture to the place of the picture that it shows.

    Places are (up, right, 1) from the centre. The matrix is rotation @ shear @ zoom @ shift.

    Args:
        rotation: degrees.
        shear: degrees.
        zoom: factors of height and width; above 1 enlarges.
        shift: up and right, in the unit of the places.
    """
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    slant, height = math.sin(math.radians(shear)), math.cos(math.radians(shear))
    rotate = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    lean = np.array([[1, slant, 0], [0, height, 0], [0, 0, 1]])
    scale = np.diag([1 / zoom[0], 1 / zoom[1], 1])
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    return rotate @ lean @ scale @ move


def draw_affine(generator: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """A random `affine_matrix` in pixels: each of the six numbers is normal with the kernel's standard deviation."""
    normal = generator.standard_normal(6).tolist()
    zoom = (1 + ZOOM * normal[2], 1 + ZOOM * normal[3])
    shift = (SHIFT * height * normal[4], SHIFT * width * normal[5])
    return affine_matrix(ROTATION * normal[0], SHEAR * normal[1], zoom, shift)


def warp(
    picture: NDArray[np.uint8], matrix: NDArray[np.float64], out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Warp a picture uint8 (height, width, 3) by an `affine_matrix`; beyond its edge its nearest pixel goes on.

    Args:
        out: takes the result, and must not be the picture. Default: a new array.
    """
    height, width = picture.shape[:2]
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
    to_places = np.array([[0, -1, middle_row], [1, 0, -middle_column], [0, 0, 1]])  # of (column, row, 1)
    to_pixels = np.array([[0, 1, middle_column], [-1, 0, middle_row], [0, 0, 1]])
    pixels = (to_pixels @ matrix @ to_places)[:2]
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP  # as the kernel; blending four pixels takes twice as long
    warped = cv2.warpAffine(picture, pixels, (width, height), out, flags, cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)
