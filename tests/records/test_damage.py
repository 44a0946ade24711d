"""Damaged pictures: whatever a decoder raises, they are listed, or left out, and never stop a conversion half-way."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from lightning_flowers.data import photograph
from lightning_flowers.data.photograph import PictureError, square

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "GIF", "BMP", "MPO")
EXACT = np.random.default_rng(0).integers(0, 255, (12, 18, 3), dtype=np.uint8)


def exif():
    """Such as cameras write: texts, fractions, folders in folders; and to be turned a quarter."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x011A] = 6, "maker", 72.0
    tags.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    tags.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    return tags.tobytes()


def encoded(kind, tags=None):
    if kind not in Image.SAVE:
        Image.init()
    if kind == "AVIF" and kind not in Image.SAVE:
        pytest.skip("this Pillow writes no AVIF")
    stream = io.BytesIO()
    Image.fromarray(EXACT).resize((90, 60)).save(stream, kind, **({} if tags is None else {"exif": tags}))
    return stream.getvalue()


def damaged(data, rng):
    data = bytearray(data)
    if rng.random() < 0.2:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.choice((1, 2, 8))):
        data[rng.randrange(min(len(data), rng.choice((64, 600, 10**6))))] ^= 1 << rng.randrange(8)
    return bytes(data)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tagged", [False, True], ids=["plain", "exif"])
@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_damaged_is_a_square_or_told(tmp_path, kind, tagged):
    whole = encoded(kind, exif() if tagged and kind not in ("GIF", "BMP") else None)
    rng, path, told = random.Random(0), tmp_path / "picture", []
    for _ in range(60):
        path.write_bytes(damaged(whole, rng))
        try:
            made = square(path, 16)
            assert made.shape == (16, 16, 3)
        except PictureError as error:
            told.append(str(error))
    assert {len(why.splitlines()) for why in told} == {1}


def odd_exif(at, value):
    """The maker's name with another type, count or place, which no writer of EXIF takes back."""
    data = bytearray(exif())
    data[data.index(b"\x01\x0f" if data[6:8] == b"MM" else b"\x0f\x01") + at - 2] = value
    return bytes(data)


@pytest.mark.parametrize("value", [2, 5, 7, 10, 12, 255])
@pytest.mark.parametrize("at", [3, 4, 6, 10])
def test_odd_exif_does_a_picture_no_harm(records, tmp_path, at, value):
    for number, kind in enumerate(("JPEG", "PNG", "WEBP")):
        folder = tmp_path / "in" / f"class {number}"
        folder.mkdir(parents=True)
        (folder / f"0.{kind.lower()}").write_bytes(encoded(kind, odd_exif(at, value)))
    status, said, err = records("convert", tmp_path / "in", f"--out={tmp_path / 'out'}", "--size=16")
    assert (status, err) == (0, "")
    assert "3 classes, 3 train" in said


@pytest.mark.parametrize(
    "error",
    [
        TypeError("odd"),
        MemoryError(),
        RuntimeError("two\nlines"),
        Image.DecompressionBombError("big"),
        UserWarning("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_decoder_raises_is_a_bad_picture(records, tmp_path, monkeypatch, error):
    for name, kind in (("rose", "JPEG"), ("iris", "PNG"), ("lily", "GIF")):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / f"0.{kind.lower()}").write_bytes(encoded(kind))
    to_rgb = photograph._to_rgb

    def fail(image, *rest):
        if image.format == "GIF":
            raise error
        return to_rgb(image, *rest)

    monkeypatch.setattr(photograph, "_to_rgb", fail)
    args = ("convert", tmp_path / "in", f"--out={tmp_path / 'out'}", "--size=16")
    status, _, err = records(*args)
    assert (status, len(err.splitlines()), "lily/0.gif" in err) == (2, 1, True)
    assert records(*args, "--on_bad_record=skip")[0] == 0
    skipped = (tmp_path / "out" / "skipped.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in skipped] == ["path", "lily/0.gif"]
    assert "cannot be decoded: " in skipped[1]
