"""Decodes one picture straight into its place in a batch."""

import io

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

_JPEG_MAGIC = b"\xff\xd8"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# simplejpeg converts these itself; anything else (CMYK) goes to Pillow.
_JPEG_COLOURS = {"RGB", "Gray", "YCbCr"}
# A damaged header must not claim all memory: deflate packs 1032 bytes of 8 pixels into one, JPEG less than 512 pixels.
_MAX_PIXELS, _MAX_PIXELS_PER_BYTE = 1 << 27, 8 * 1032

cv2.setNumThreads(0)  # pictures are decoded side by side: OpenCV's own threads would only fight for the same cores


def decode_into(encoded: memoryview, out: NDArray[np.uint8]) -> bool:
    """Decode a JPEG or PNG as RGB into `out`, resized if it has another size.

    Args:
        encoded: the file's bytes.
        out: uint8, (size, size, 3), C-contiguous; overwritten.

    Returns:
        Whether the picture had to be resized.

    Raises:
        ValueError: the bytes are no picture that can be decoded.
    """
    height, width = out.shape[:2]
    if bytes(encoded[: len(_JPEG_MAGIC)]) == _JPEG_MAGIC:
        found_height, found_width, colour, _ = simplejpeg.decode_jpeg_header(encoded)
        _check_claim(encoded, int(found_height), int(found_width))
        if colour in _JPEG_COLOURS and (found_height, found_width) == (height, width):
            simplejpeg.decode_jpeg(encoded, buffer=out)
            return False
        # One decoder for all sizes: Pillow would take JPEGs with damage in their middle for whole.
        picture = simplejpeg.decode_jpeg(encoded) if colour in _JPEG_COLOURS else _decode_any(encoded)
    elif bytes(encoded[: len(_PNG_MAGIC)]) == _PNG_MAGIC:
        picture = _decode_any(encoded)
    else:
        raise ValueError("the picture cannot be decoded: it is neither a JPEG nor a PNG")
    if picture.shape == out.shape:
        out[...] = picture
        return False
    shrinks = picture.shape[0] * picture.shape[1] > height * width
    cv2.resize(picture, (width, height), dst=out, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return True


def _check_claim(encoded: memoryview, height: int, width: int) -> None:
    if height * width > min(_MAX_PIXELS, _MAX_PIXELS_PER_BYTE * len(encoded)):
        raise ValueError(f"the picture cannot be decoded: it claims {width}x{height} pixels")


def _decode_any(encoded: memoryview) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as image:
            _check_claim(encoded, image.height, image.width)
            if image.mode.startswith("I"):  # of which nobody says which bits count
                raise ValueError("the picture has more than 8 bits a channel")
            return np.asarray(image.convert("RGB"))
    except ValueError:
        raise
    except UnidentifiedImageError as error:  # whose text names an object of this process
        raise ValueError("the picture cannot be decoded: it is damaged") from error
    except Exception as error:  # each format has its own
        raise ValueError(f"the picture cannot be decoded: {' '.join(str(error).split())}") from error
