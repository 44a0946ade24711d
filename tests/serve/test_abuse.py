"""What must not be answered, and that it costs nothing: each refusal is a line with the status that fits."""

import asyncio
import struct
import zlib
from contextlib import ExitStack

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from lightning_flowers.serve.app import build
from lightning_flowers.serve.capacity import while_connected
from lightning_flowers.serve.settings import Settings

from .conftest import Colours, encoded, form


def claiming(width, height):
    """A PNG of 60 bytes that claims to be large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.fixture
def bad(picture):
    import io

    from PIL import Image

    animated, deep = io.BytesIO(), io.BytesIO()
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    Image.new("I;16", (9, 9)).save(deep, "PNG")
    return {
        "bomb": claiming(50_000, 50_000),
        "large": claiming(101, 100),
        "truncated": picture(form="JPEG", size=(90, 90))[:400],
        "animated": animated.getvalue(),
        "sixteen bit": deep.getvalue(),
        "text": b"a text",
        "empty": b"",
    }


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("bomb", 413, "pixels"),
        ("large", 413, "claims 101x100 pixels"),
        ("truncated", 422, "cannot be decoded"),
        ("animated", 415, "holds 2 pictures"),
        ("sixteen bit", 415, "more than 8 bits"),
        ("text", 415, "is no picture of a known format"),
        ("empty", 422, "is empty"),
    ],
)
def test_a_bad_picture_is_refused_with_the_status_that_fits(client, bad, name, status, why):
    for found in (
        client.post("/v1/predict", files=form(bad[name], name="a.jpg")),
        client.post("/v1/predict", json=encoded(bad[name])),
    ):
        assert found.status_code == status
        assert why in found.json()["detail"]
        assert "\n" not in found.json()["detail"]


def test_odd_but_good_pictures_are_answered(client, picture):
    odd = [picture(form="JPEG", mode="CMYK"), picture(mode="P"), picture(mode="RGBA"), picture(form="WEBP")]
    for content in odd:
        found = client.post("/v1/predict", files=form(content))
        assert found.json()["answers"][0]["guesses"][0]["name"] == "red"


@pytest.mark.parametrize(
    ("request_", "status", "why"),
    [
        ({}, 415, "send multipart/form-data"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "send multipart/form-data"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, 422, "boundary"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "multipart"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "no picture came"),
        ({"data": {"file": "text"}, "files": [("x", ("n", b""))]}, 422, "send files as fields 'file'"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "Invalid JSON"),
        ({"json": {"pictures": []}}, 422, "pictures: "),
        ({"json": {"pictures": [""], "top": 1}}, 422, "no key 'top' is known, only 'pictures'"),
        ({"json": {"pictures": [""]}, "params": {"topp": 1}}, 422, "topp: "),
        ({"json": {"pictures": [1]}}, 422, "pictures.0: "),
        ({"json": {"pictures": [""] * 10_001}}, 422, "pictures: "),
        ({"json": {"pictures": ["%%%"]}}, 422, "pictures.0: Data should be valid base64"),
        ({"json": {"pictures": ["\u00e4"]}}, 422, "pictures.0: Data should be valid base64"),
        ({"json": {"pictures": [""] * 4}}, 413, "Too many files"),
        ({"files": form(*[b"x"] * 4)}, 413, "Too many files"),
        ({"files": form(b"x" * 100_001)}, 413, "the body has more than 100000 bytes"),
        ({"json": {"pictures": ["x" * 100_001]}}, 413, "the body has more than 100000 bytes"),
    ],
)
def test_a_request_that_cannot_be_is_refused(client, request_, status, why):
    found = client.post("/v1/predict", **request_)
    assert found.status_code == status
    assert why in found.json()["detail"]


def test_a_body_that_does_not_say_how_long_it_is_is_bounded_as_well(client):
    pieces = (b"x" * 10_000 for _ in range(11))
    found = client.post("/v1/predict", content=pieces, headers={"Content-Type": "application/json"})
    assert (found.status_code, found.headers["Connection"]) == (413, "close")


@pytest.mark.parametrize("top", ["0", "1001", "x", "1.5"])
def test_numbers_that_cannot_be_are_refused_in_a_line(client, top):
    found = client.post(f"/v1/predict?top={top}")
    assert found.status_code == 422
    assert found.json()["detail"].startswith("top: ")


def test_what_is_full_says_come_again(client, picture):
    service = client.app.state.service
    for places, count in ((service.pictures, 4), (service.pictures, 3), (service.bytes, service.bytes.bound)):
        with places.taken(count):
            found = client.post("/v1/predict", files=form(picture(), picture()))
            assert (found.status_code, found.headers["Retry-After"]) == (503, "1")
    assert (service.pictures.used, service.bytes.used) == (0, 0)
    assert client.post("/v1/predict", files=form(picture(), picture())).status_code == 200
    with service.pictures.taken(4):
        assert client.get("/readyz").status_code == 503


def test_a_fault_of_the_model_is_told_and_the_next_request_answered(picture):
    def fail_once(count):
        if calls.append(count) or len(calls) == 2:  # the first one warms up
            raise RuntimeError("a secret of the server")

    calls = []
    with TestClient(build(Colours(fail_once), Settings()), raise_server_exceptions=False) as asking:
        found = asking.post("/v1/predict", files=form(picture()))
        assert (found.status_code, found.json()) == (500, {"detail": "the server has failed; its log tells how"})
        assert asking.post("/v1/predict", files=form(picture())).status_code == 200


def test_work_ends_when_its_client_leaves():
    async def leaves():
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(True)
            raise

    ended = []
    with pytest.raises(ClientDisconnect):
        asyncio.run(while_connected(Request({"type": "http"}, leaves), work()))
    assert ended == [True]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["multipart/form-data; boundary=b", "application/json", "x"]), body=st.binary(max_size=300))
def test_no_bytes_make_the_server_fail(client, kind, body):
    wrapped = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + body + b"\r\n--b--\r\n"
    for content in (body, wrapped):
        found = client.post("/v1/predict", content=content, headers={"Content-Type": kind})
        assert found.status_code in (413, 415, 422)
    assert client.app.state.service.pictures.used == 0


def test_nothing_is_written_to_disk(client, picture, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "_mkstemp_inner", lambda *_: pytest.fail("a file was made"))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *_, **__: pytest.fail("a file was made"))
    with TestClient(build(Colours(), Settings())) as asking, ExitStack():
        noise = picture(form="BMP", size=(900, 900))  # of 2.4 MB
        assert asking.post("/v1/predict", files=form(noise)).status_code == 200
