"""The affine warp of the widely copied rotation kernel, as pure functions.

Source: Chris Deotte, "Rotation Augmentation GPU/TPU - [0.96+]" (Kaggle, 2020), which takes the nearest pixel too. Two
things differ: its shift is 16 px at every size, here it is so at 512 px and in proportion at others, so that the preset
means the same at each; and its identity moves the picture by one column, here the middle is exact.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

ROTATION, SHEAR, ZOOM = 15.0, 5.0, 0.1  # standard deviations: degrees, degrees, of the side
SHIFT = 16 / 512  # standard deviation, of the side


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
