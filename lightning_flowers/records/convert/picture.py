"""One picture: opened, checked, cut or squashed to a square, resized, encoded."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

Shape = Literal["crop", "squash"]
_MAX_PIXELS = 1 << 27
_DEEP = ("I", "F")  # and I;16...: more than 8 bits a channel, of which nobody says which 8 count
_TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
_TURNED = range(5, 9)  # EXIF orientations that swap width and height
_ORIENTATION = 0x0112
_SLACK = 2.0  # a picture may be decoded at a smaller scale if it stays this much larger than what is made of it


def check_picture(path: Path) -> tuple[int, int]:
    """Decode a picture in full, and give its width and height as it is to be seen.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    try:
        with Image.open(path) as image:
            _check_kind(image)
            width, height = image.size
            if image.getexif().get(_ORIENTATION) in _TURNED:
                width, height = height, width
            if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
                # Pillow takes a JPEG with damage in its middle for whole; this does not. Small is enough, and quick.
                simplejpeg.decode_jpeg(path.read_bytes(), min_height=1, min_width=1)
            else:
                _to_rgb(image)
    except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(_why(error, path)) from error
    return width, height


def render(path: Path, sizes: Sequence[int], shape: Shape, quality: int) -> list[bytes]:
    """The picture as square JPEGs, RGB 4:4:4 as the competition's, one of each size.

    Args:
        sizes: sides in pixels.
        shape: `crop` takes the largest square in its middle, `squash` the whole picture.
        quality: of the JPEGs, 1 to 100.

    Raises:
        ValueError: it cannot be used.
    """
    try:
        with Image.open(path) as image:
            scale = _SLACK * max(sizes) / min(image.size)
            if scale < 1:  # JPEGs only: libjpeg leaves out what is not needed
                image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
            picture = _to_rgb(image)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise ValueError(_why(error, path)) from error
    return [_encode(_square(picture, size, shape), quality) for size in sizes]


def _check_kind(image: Image.Image) -> None:
    if image.mode in _DEEP or image.mode.startswith("I;16"):
        raise ValueError(f"has more than 8 bits a channel (mode {image.mode}): save it with 8")
    if image.width * image.height > _MAX_PIXELS:
        raise ValueError(f"claims {image.width}x{image.height} pixels: too many")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # cameras put a preview into an MPO
        raise ValueError(f"holds {getattr(image, 'n_frames', 1)} pictures ({image.format}): save one of them by itself")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Decoded, turned as its EXIF says, on white where it is transparent."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode in _TRANSPARENT or "transparency" in turned.info:
        clear = turned.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return turned.convert("RGB")


def _square(picture: Image.Image, size: int, shape: Shape) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    box = (left, top, left + side, top + side) if shape == "crop" else None
    return picture.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _encode(picture: Image.Image, quality: int) -> bytes:
    pixels = np.ascontiguousarray(picture, dtype=np.uint8)
    return simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="444")


def _why(error: Exception, path: Path) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "is no picture of a known format"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"cannot be decoded: {str(error).replace(str(path), '').strip()}"
