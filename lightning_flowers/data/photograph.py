"""A photograph made square: the one way from a picture's file to pixels, for `records convert` and loose pictures.

1. Limits, from the header alone: bytes, pixels, one picture a file, 8 bits a channel (a colour PNG's 16 are cut).
2. Decoded, JPEGs by the data engine's decoder, at a half, quarter or eighth of their scale if that is large enough.
3. Turned as its EXIF says; on white where it is transparent; RGB, whatever its mode. Colour profiles are not applied.
4. The largest square in its middle, resized (Lanczos). One of the right size stays as it is: of a record's JPEG come
   the very pixels that the data engine gives.

`records convert` encodes the result as a JPEG once more, of the quality asked for; a loose picture skips that.
"""

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from lightning_flowers.errors import DataError

File = str | os.PathLike[str] | bytes | BinaryIO
Picture = File | Image.Image | NDArray[np.uint8]
MAX_PIXELS, MAX_BYTES = 1 << 27, 1 << 28
# What photographs come in. Of what else Pillow reads, some formats have a program run (EPS), and some are seldom tried.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "TGA")
_HEIC = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc")  # what telephones save
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


class PictureError(DataError):
    """A picture that cannot be used; the message says why in a line, without naming the picture."""


class TooLargeError(PictureError):
    """It has more bytes, or claims more pixels, than is allowed."""


class UnsupportedError(PictureError):
    """It is of a format, or a kind of one, that is not read."""


def square(picture: Picture, size: int, most_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A picture as a square, uint8 (size, size, 3), RGB.

    Args:
        picture: path, content, a file open for reading bytes, what Pillow has opened or made, or RGB pixels uint8
            (height, width, 3).
        size: side in pixels.
        most_pixels: that it may have, or claim to have.

    Raises:
        PictureError: it cannot be used.
    """
    with _told():
        if isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
                raise PictureError(f"is an array {picture.dtype} {picture.shape}: give uint8 (height, width, 3), RGB")
            picture = Image.fromarray(np.ascontiguousarray(picture))
        if isinstance(picture, Image.Image):
            return _square(_to_rgb(picture, None, size, most_pixels), size)
        encoded = _read(picture)
        if encoded[4:12] in _HEIC and "HEIF" not in formats():
            raise UnsupportedError("is a HEIC picture, which is not read here: save it as JPEG")
        with Image.open(io.BytesIO(encoded), formats=formats()) as image:
            return _square(_to_rgb(image, encoded, size, most_pixels), size)


@cache
def formats() -> tuple[str, ...]:
    """Those that can be read here, as Pillow calls them: HEIF for one needs a plug-in."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def is_picture(path: Path) -> bool:
    """Whether a file is called as pictures are that can be read here, or as a HEIC picture: `square` tells of those."""
    return path.suffix.lower() in _suffixes() or is_heic(path)


def is_heic(path: Path) -> bool:
    """Whether a file is called as the pictures are that telephones save, and such cannot be read here."""
    return path.suffix.lower() in (".heic", ".heif") and "HEIF" not in formats()


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats())


def _read(file: File) -> bytes:
    if isinstance(file, bytes):
        encoded = file
    elif isinstance(file, str | os.PathLike):
        with Path(file).open("rb") as opened:
            encoded = opened.read(MAX_BYTES + 1)
    elif hasattr(file, "read"):
        encoded = file.read(MAX_BYTES + 1)
    else:
        raise PictureError(f"is a {type(file).__name__}: give a path, bytes, a file, Pillow's or an array of NumPy's")
    if len(encoded) > MAX_BYTES:
        raise TooLargeError(f"has more than {MAX_BYTES >> 20} MB")
    if not encoded:
        raise PictureError("is empty")
    return encoded


@contextmanager
def _told() -> Iterator[None]:
    """Whatever a decoder raises, the picture is bad."""
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedError("is no picture of a known format") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # of much more than MAX_PIXELS
        raise TooLargeError(_why(error)) from error
    except Exception as error:
        raise PictureError(_why(error)) from error


def _check_kind(image: Image.Image, most_pixels: int) -> None:
    if image.mode in _DEEP or image.mode.startswith("I;16"):
        raise UnsupportedError(f"has more than 8 bits a channel (mode {image.mode}): save it with 8")
    if not 0 < image.width * image.height <= most_pixels:
        raise TooLargeError(f"claims {image.width}x{image.height} pixels: too many, or none")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # cameras put a preview into an MPO
        raise UnsupportedError(
            f"holds {getattr(image, 'n_frames', 1)} pictures ({image.format}): save one of them by itself"
        )


def _to_rgb(image: Image.Image, encoded: bytes | None, size: int, most_pixels: int) -> Image.Image:
    """Decoded no larger than need be, turned as its EXIF says, on white where it is transparent."""
    _check_kind(image, most_pixels)
    if encoded and image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        # The data engine's decoder. Pillow would also take a JPEG with damage in its middle for whole.
        scale = _scale(image.size, size)
        width, height = (math.ceil(side / scale) if scale > 1 else 0 for side in image.size)
        decoded = Image.fromarray(simplejpeg.decode_jpeg(encoded, min_width=width, min_height=height))
        return _turn(decoded, image)
    image.load()
    return _on_white(_turn(image))


def _scale(sides: tuple[int, int], size: int) -> int:
    """By which of 8, 4, 2, 1 a JPEG can be shrunk and still be large enough: libjpeg leaves out what is not needed."""
    enough = _SLACK * size / min(sides)
    return next(scale for scale in (8, 4, 2, 1) if scale == 1 or enough <= 1 / scale)


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode in _TRANSPARENT or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return picture.convert("RGB")


def _turn(picture: Image.Image, tagged: Image.Image | None = None) -> Image.Image:
    """Turned as the EXIF of `tagged` says, by default the picture's own."""
    try:  # of the EXIF nothing else counts, and where it cannot be read the picture lies as it is
        turn = _TURNS.get((tagged or picture).getexif().get(ExifTags.Base.Orientation))
    except Exception:
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _square(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    box = (left, top, left + side, top + side)
    made: Any = picture.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return np.array(made, np.uint8)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}"
