"""Decodes one picture straight into its place in a batch."""

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

_JPEG_MAGIC = b"\xff\xd8"
# simplejpeg converts these itself; anything else (CMYK) goes to OpenCV.
_JPEG_COLOURS = {"RGB", "Gray", "YCbCr"}
_IMDECODE_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_MAX_PIXELS = 1 << 27  # a damaged header must not claim all memory

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
    if bytes(encoded[:2]) == _JPEG_MAGIC:
        found_height, found_width, colour, _ = simplejpeg.decode_jpeg_header(encoded)
        if int(found_height) * int(found_width) > _MAX_PIXELS:
            raise ValueError(f"the picture cannot be decoded: it claims {found_width}x{found_height} pixels")
        if colour in _JPEG_COLOURS and (found_height, found_width) == (height, width):
            simplejpeg.decode_jpeg(encoded, buffer=out)
            return False
        # One decoder for all sizes: OpenCV would turn pictures by their EXIF, and take cut ones for whole.
        picture = simplejpeg.decode_jpeg(encoded) if colour in _JPEG_COLOURS else _decode_any(encoded)
    else:
        picture = _decode_any(encoded)
    if picture.shape == out.shape:
        out[...] = picture
        return False
    shrinks = picture.shape[0] * picture.shape[1] > height * width
    cv2.resize(picture, (width, height), dst=out, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return True


def _decode_any(encoded: memoryview) -> NDArray[np.uint8]:
    try:
        picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), _IMDECODE_FLAGS)
    except cv2.error as error:
        raise ValueError(f"the picture cannot be decoded: {error.err}") from error
    if picture is None:
        raise ValueError("the picture cannot be decoded: it is neither a JPEG nor a PNG, or it is damaged")
    return np.asarray(picture, np.uint8)
