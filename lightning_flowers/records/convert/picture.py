"""One picture: opened, checked, cut or squashed to a square, resized, encoded."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, UnidentifiedImageError

Shape = Literal["crop", "squash"]
_MAX_PIXELS = 1 << 27
_DEEP = ("I", "F")  # and I;16...: more than 8 bits a channel, of which nobody says which 8 count
_TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
_TURNS: dict[object, Image.Transpose] = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SLACK = 2.0  # a picture may be decoded at a smaller scale if it stays this much larger than what is made of it


class _UnusableError(ValueError):
    """A sound picture of a kind that is not taken."""


def check_picture(path: Path, largest: int) -> tuple[int, int]:
    """Decode a picture just as `render` does, and give its width and height as it is to be seen.

    Args:
        largest: of the sizes to be made, in pixels.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    with _told(path), Image.open(path) as image:
        _check_kind(image)
        width, height = image.size
        if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
            # Pillow takes a JPEG with damage in its middle for whole; this does not. Small is enough, and quick.
            simplejpeg.decode_jpeg(path.read_bytes(), min_height=1, min_width=1)
        made = _to_rgb(image, largest)
        # How it lies is known once it is decoded: a TIFF turns itself.
        return (height, width) if (made.width - made.height) * (width - height) < 0 else (width, height)


def render(path: Path, sizes: Sequence[int], largest: int, shape: Shape, quality: int) -> list[bytes]:
    """The picture as square JPEGs, RGB 4:4:4 as the competition's, one of each size.

    Args:
        sizes: sides in pixels.
        largest: of all sizes that the picture was checked for.
        shape: `crop` takes the largest square in its middle, `squash` the whole picture.
        quality: of the JPEGs, 1 to 100.

    Raises:
        ValueError: it cannot be used.
    """
    with _told(path), Image.open(path) as image:
        picture = _to_rgb(image, largest)
        return [_encode(_square(picture, size, shape), quality) for size in sizes]


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever a decoder raises, the picture is bad."""
    try:
        yield
    except _UnusableError:
        raise
    except Exception as error:
        raise ValueError(_why(error, path)) from error


def _check_kind(image: Image.Image) -> None:
    if image.mode in _DEEP or image.mode.startswith("I;16"):
        raise _UnusableError(f"has more than 8 bits a channel (mode {image.mode}): save it with 8")
    if not 0 < image.width * image.height <= _MAX_PIXELS:
        raise _UnusableError(f"claims {image.width}x{image.height} pixels: too many, or none")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # cameras put a preview into an MPO
        raise _UnusableError(
            f"holds {getattr(image, 'n_frames', 1)} pictures ({image.format}): save one of them by itself"
        )


def _to_rgb(image: Image.Image, largest: int) -> Image.Image:
    """Decoded no larger than need be, turned as its EXIF says, on white where it is transparent."""
    scale = _SLACK * largest / min(image.size)
    if scale < 1:  # JPEGs only: libjpeg leaves out what is not needed
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
    image.load()
    turned = _turn(image)
    if turned.mode in _TRANSPARENT or "transparency" in turned.info:
        clear = turned.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return turned.convert("RGB")


def _turn(image: Image.Image) -> Image.Image:
    try:  # of the EXIF nothing else counts, and where it cannot be read the picture lies as it is
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


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
    said = " ".join(str(error).replace(str(path), "").split())
    return f"cannot be decoded: {said or type(error).__name__}"
