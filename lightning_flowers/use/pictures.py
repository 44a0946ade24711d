"""What may be given as a picture."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightning_flowers.data.photograph import MAX_PIXELS, File, square_of_image, square_of_pixels, squares

# A path, a file's content, a file open for reading bytes, Pillow's picture, or RGB pixels uint8 (height, width, 3).
Picture = File | Image.Image | NDArray[np.uint8]


def read_picture(picture: Picture, size: int, most_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A picture as a model takes it: RGB, the largest square in its middle, uint8 (size, size, 3).

    Args:
        size: side in pixels.
        most_pixels: that a file may claim to have.

    Raises:
        PictureError: it cannot be used; says why in a line.
    """
    if isinstance(picture, Image.Image):
        return square_of_image(picture, size)
    if isinstance(picture, np.ndarray):
        return square_of_pixels(picture, size)
    return squares(picture, [size], most_pixels=most_pixels)[0]


def name_of(picture: Any, number: int) -> str:
    """What to call a picture: its path, or which of several it is, from 0."""
    return os.fspath(picture) if isinstance(picture, str | os.PathLike) else f"picture {number}"
