"""Decoding: every kind of picture comes out as RGB of the wanted size, and anything else is a ValueError."""

import contextlib
import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lightning_flowers.data.decode import decode_into

SUBSAMPLINGS = ["444", "422", "420", "440", "411"]


def soft_picture(height: int = 48, width: int = 48) -> NDArray[np.uint8]:
    """Three different slopes of colour: any swap of channels, rows or columns shows."""
    y, x = np.mgrid[:height, :width]
    planes = [255 * x / width, 255 * y / height, 255 * (1 - x / width) * y / height]
    return np.stack(planes, axis=2).astype(np.uint8)


PICTURE = soft_picture()


def as_jpeg(picture: NDArray[np.uint8], subsampling: str = "444") -> bytes:
    return simplejpeg.encode_jpeg(picture, quality=95, colorspace="RGB", colorsubsampling=subsampling)


def as_png(picture: NDArray[Any]) -> bytes:
    """A PNG of an RGB, RGBA or gray picture, of 8 or 16 bits."""
    channels = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    swapped = picture if picture.ndim == 2 else cv2.cvtColor(picture, channels[picture.shape[2]])
    done, encoded = cv2.imencode(".png", swapped)
    assert done
    return encoded.tobytes()


def pillow_jpeg(picture: NDArray[np.uint8], mode: str, **options: Any) -> bytes:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(picture).convert(mode).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def decode(encoded: bytes, size: int = 48) -> tuple[NDArray[np.uint8], bool]:
    out = np.full((size, size, 3), 77, np.uint8)
    resized = decode_into(memoryview(encoded), out)
    return out, resized


def distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_a_jpeg_is_decoded_as_simplejpeg_decodes_it(subsampling: str) -> None:
    encoded = as_jpeg(PICTURE, subsampling)
    out, resized = decode(encoded)
    np.testing.assert_array_equal(out, simplejpeg.decode_jpeg(encoded))
    assert not resized
    assert distance(out, PICTURE) < 4


def test_a_gray_jpeg_has_three_equal_channels() -> None:
    gray = PICTURE[:, :, :1]
    out, resized = decode(simplejpeg.encode_jpeg(np.ascontiguousarray(gray), 95, "GRAY", "Gray"))
    assert not resized
    assert (out == out[:, :, :1]).all()
    assert distance(out[:, :, :1], gray) < 2


def test_a_progressive_jpeg_is_decoded() -> None:
    out, _ = decode(pillow_jpeg(PICTURE, "RGB", progressive=True))
    assert distance(out, PICTURE) < 4


def test_a_cmyk_jpeg_is_decoded_as_rgb() -> None:
    encoded = pillow_jpeg(PICTURE, "CMYK")
    assert simplejpeg.decode_jpeg_header(encoded)[2] == "CMYK"
    out, resized = decode(encoded)
    assert not resized
    assert distance(out, PICTURE) < 4


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
@pytest.mark.parametrize("size", [48, 24])
def test_a_note_of_orientation_turns_no_picture_whatever_its_size(mode: str, size: int) -> None:
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned, _ = decode(pillow_jpeg(PICTURE, mode, exif=exif), size)
    plain, _ = decode(pillow_jpeg(PICTURE, mode), size)
    np.testing.assert_array_equal(turned, plain)


def test_an_rgb_png_is_decoded_exactly() -> None:
    out, resized = decode(as_png(PICTURE))
    np.testing.assert_array_equal(out, PICTURE)
    assert not resized


def test_a_gray_png_is_decoded_exactly() -> None:
    out, _ = decode(as_png(PICTURE[:, :, 0]))
    np.testing.assert_array_equal(out, np.repeat(PICTURE[:, :, :1], 3, axis=2))


def test_a_png_with_alpha_loses_it() -> None:
    alpha = np.full((48, 48, 1), 200, np.uint8)
    out, _ = decode(as_png(np.concatenate([PICTURE, alpha], axis=2)))
    np.testing.assert_array_equal(out, PICTURE)


def test_a_colour_png_of_16_bits_is_cut_to_8_and_a_grey_one_refused() -> None:
    with pytest.raises(ValueError, match="more than 8 bits"):
        decode(as_png(PICTURE[:, :, 0].astype(np.uint16) * 257))
    out, _ = decode(as_png(PICTURE.astype(np.uint16) * 257))
    assert np.abs(out.astype(int) - PICTURE).max() <= 1


@pytest.mark.parametrize("encode", [as_jpeg, as_png])
@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)], ids=["red", "green", "blue", "yellow"]
)
@pytest.mark.parametrize("size", [48, 20])
def test_channels_are_in_the_order_red_green_blue(encode: Any, colour: tuple[int, int, int], size: int) -> None:
    out, _ = decode(encode(np.full((48, 48, 3), colour, np.uint8)), size)
    assert distance(out, np.full((size, size, 3), colour, np.uint8)) < 2


@pytest.mark.parametrize("encode", [as_jpeg, as_png])
@pytest.mark.parametrize(("height", "width"), [(96, 96), (24, 24), (47, 48), (30, 90), (90, 30), (12, 200), (1, 1)])
def test_a_picture_of_another_size_is_resized(encode: Any, height: int, width: int) -> None:
    out, resized = decode(encode(soft_picture(height, width)))
    assert resized
    if min(height, width) > 10:
        assert distance(out, PICTURE) < 9  # the same slopes, whatever the shape they came in


def test_a_resized_picture_is_written_into_its_place_in_the_batch_only() -> None:
    batch = np.full((3, 48, 48, 3), 77, np.uint8)
    assert decode_into(memoryview(as_jpeg(soft_picture(64, 64))), batch[1])
    assert distance(batch[1], PICTURE) < 9
    assert (batch[[0, 2]] == 77).all()


@pytest.mark.parametrize("side", [48, 64])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_cut_jpeg_is_refused_at_any_size(side: int, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    encoded = as_jpeg(noise)
    with pytest.raises(ValueError, match=r"."):
        decode(encoded[: int(share * len(encoded))])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_png_is_refused(share: float, capfd: pytest.CaptureFixture[str]) -> None:
    encoded = as_png(np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8))
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode(encoded[: int(share * len(encoded))])
    capfd.readouterr()


@pytest.mark.parametrize(
    "encoded", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"not a picture", bytes(1000), b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(encoded)


def test_a_jpeg_that_claims_a_huge_size_is_refused_before_it_is_decoded() -> None:
    encoded = as_jpeg(PICTURE)
    start_of_frame = encoded.index(b"\xff\xc0") + 5
    huge = encoded[:start_of_frame] + struct.pack(">HH", 65000, 65000) + encoded[start_of_frame + 4 :]
    with pytest.raises(ValueError, match="claims 65000x65000 pixels"):
        decode(huge)


WHOLE = {"jpeg": as_jpeg(PICTURE), "png": as_png(PICTURE)}


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(sorted(WHOLE)), st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4)
)
@example("jpeg", [(0.0, 1)])
def test_flipped_bytes_decode_or_are_refused_with_value_error(kind: str, flips: list[tuple[float, int]]) -> None:
    damaged = bytearray(WHOLE[kind])
    for place, bits in flips:
        damaged[int(place * (len(damaged) - 1))] ^= bits
    with contextlib.suppress(ValueError):  # and no other error
        decode(bytes(damaged))
