"""From a picture's file to a square of pixels."""

import io
from typing import Any

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.photograph import PictureError, square

PICTURE = np.kron(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
SQUARE = PICTURE[:, 8:56]


def encoded(picture, kind="PNG", **settings):
    stream = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(stream, kind, **settings)
    return stream.getvalue()


@pytest.mark.parametrize("sampling", ["444", "422", "420", "Gray"])
def test_a_records_jpeg_gives_the_very_pixels_of_the_data_engine(sampling):
    gray = sampling == "Gray"
    pixels = np.ascontiguousarray(SQUARE[..., :1] if gray else SQUARE)
    jpeg = simplejpeg.encode_jpeg(pixels, 90, "GRAY" if gray else "RGB", "444" if gray else sampling)
    wanted = np.empty((48, 48, 3), np.uint8)
    decode_into(memoryview(jpeg), wanted)
    assert np.array_equal(square(jpeg, 48), wanted)


def test_a_square_of_the_right_size_stays_as_it_is():
    for found in (square(encoded(SQUARE), 48), square(SQUARE, 48)):
        assert np.array_equal(found, SQUARE)
    assert np.array_equal(square(Image.fromarray(SQUARE), 48), SQUARE)


def test_the_largest_square_in_the_middle_is_taken():
    assert np.array_equal(square(encoded(PICTURE), 48), SQUARE)
    assert np.array_equal(
        square(encoded(np.ascontiguousarray(PICTURE.transpose(1, 0, 2))), 48), SQUARE.transpose(1, 0, 2)
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_as_its_exif_says(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    lying = Image.fromarray(SQUARE).transpose(Image.Transpose.ROTATE_90)
    settings = {"PNG": {}, "JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}[kind]
    found = square(encoded(lying, kind, exif=exif, **settings), 48)
    assert np.abs(found.astype(int) - SQUARE).max() <= (6 if kind == "JPEG" else 0)


def test_transparency_is_white_and_other_colours_are_rgb():
    clear = np.dstack([SQUARE, np.where(np.arange(48) < 24, 0, 255)[:, None].repeat(48, 1).astype(np.uint8)])
    found = square(encoded(clear), 48)
    assert (found[:24] == 255).all()
    assert np.array_equal(found[24:], SQUARE[24:])
    cmyk = square(encoded(Image.fromarray(SQUARE).convert("CMYK"), "JPEG", quality=100), 48)
    assert np.abs(cmyk.astype(int) - SQUARE).mean() < 8


def damaged():
    animated = io.BytesIO()
    Image.fromarray(SQUARE).save(animated, "GIF", save_all=True, append_images=[Image.fromarray(255 - SQUARE)])
    jpeg = encoded(PICTURE, "JPEG")
    claims = bytearray(encoded(SQUARE, "BMP"))
    claims[18:26] = (50_000).to_bytes(4, "little") * 2
    return {
        "is no picture of a known format": encoded(PICTURE, "EPS"),
        "is a HEIC picture, .* save it as JPEG": b"\0\0\0\x18ftypheic" + bytes(40),
        "is empty": b"",
        "is no picture": b"a text called .jpg",
        "holds 2 pictures": animated.getvalue(),
        "more than 8 bits": encoded(Image.fromarray(np.zeros((8, 8), np.uint16))),
        "cannot be decoded": jpeg[: len(jpeg) // 2],
        "50000x50000|2500000000 pixels": bytes(claims),
        "cannot be read: No such file": "/nowhere/at/all.jpg",
    }


@pytest.mark.parametrize("why", damaged())
def test_what_cannot_be_used_is_told_in_a_line(why):
    with pytest.raises(PictureError, match=why) as told:
        square(damaged()[why], 48)
    assert "\n" not in str(told.value)


def test_pixels_can_be_limited_before_they_are_decoded(monkeypatch):
    file = encoded(PICTURE)
    monkeypatch.setattr(Image.Image, "load", None)  # it must not come so far
    with pytest.raises(PictureError, match="claims 64x48 pixels"):
        square(file, 48, most_pixels=3000)


def test_pixels_of_another_type_or_shape_are_refused():
    others: list[Any] = [SQUARE.astype(np.float32), SQUARE[..., 0], np.zeros((0, 4, 3), np.uint8)]
    for pixels in others:
        with pytest.raises(PictureError, match="give uint8"):
            square(pixels, 48)
