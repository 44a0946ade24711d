"""One picture as the JPEGs of its records."""

from collections.abc import Sequence
from pathlib import Path

import simplejpeg

from lightning_flowers.data.photograph import Shape, squares


def render(path: Path, sizes: Sequence[int], largest: int, shape: Shape, quality: int) -> list[bytes]:
    """The picture as square JPEGs, RGB 4:4:4 as the competition's, one of each size.

    Args:
        sizes: sides in pixels.
        largest: of all sizes that the picture was checked for.
        shape: `crop` takes the largest square in its middle, `squash` the whole picture.
        quality: of the JPEGs, 1 to 100.

    Raises:
        PictureError: it cannot be used.
    """
    return [
        simplejpeg.encode_jpeg(picture, quality=quality, colorspace="RGB", colorsubsampling="444")
        for picture in squares(path, sizes, largest, shape)
    ]
