"""Pictures from the web, from servers that are well and others."""

import base64
import time

import pytest

from lightning_flowers.classify import fetching
from lightning_flowers.classify.fetching import fetch
from lightning_flowers.data.photograph import PictureError


def sends(content, claims=None, status=200, **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content) if claims is None else claims))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def test_the_bytes_of_a_url_come_whole(serve):
    assert fetch(f"http://{serve(sends(b'x' * 200_000))}/rose.jpg") == b"x" * 200_000


def test_user_and_password_go_to_the_server_that_they_are_for_and_to_no_other(serve):
    seen = []

    def note(handler):
        seen.append(handler.headers.get("Authorization"))
        sends(b"picture")(handler)

    there = serve(note)

    def redirect(handler):
        seen.append(handler.headers.get("Authorization"))
        sends(b"", status=302, Location=f"http://{there}/")(handler)

    assert fetch(f"http://me:pass%20word@{serve(redirect)}/") == b"picture"
    assert seen == [f"Basic {base64.b64encode(b'me:pass word').decode()}", None]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (sends(b"gone", status=404), "HTTP 404"),
        (sends(b"x" * 2000), "more than 0 MB"),
        (sends(b"x" * 10, claims=500), "payload is not completed"),
        (sends(b"", status=302, Location="file:///etc/hostname"), "cannot be fetched"),
        (sends(b"", status=302, Location="ftp://localhost/a.jpg"), "cannot be fetched"),
        (sends(b"", status=302, Location="/again"), "cannot be fetched"),
    ],
    ids=["missing", "large", "cut", "to a file", "to ftp", "for ever"],
)
def test_what_does_not_come_is_told_in_a_line(serve, monkeypatch, answer, why):
    monkeypatch.setattr(fetching, "MAX_BYTES", 1000)
    with pytest.raises(PictureError, match=why) as told:
        fetch(f"http://me:secret@{serve(answer)}/rose.jpg?token=hidden")
    assert not {"\n", "secret", "hidden"} & set(str(told.value).split())


@pytest.mark.parametrize("limit", ["TIMEOUT", "DEADLINE"])
def test_slow_servers_are_not_waited_for(serve, monkeypatch, limit):
    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(10 if limit == "DEADLINE" else 1):
            time.sleep(0.02 if limit == "DEADLINE" else 0.4)
            handler.wfile.write(b"x")
            handler.wfile.flush()

    monkeypatch.setattr(fetching, limit, 0.1)
    with pytest.raises(PictureError, match="nothing came for "):
        fetch(f"http://{serve(drip)}/rose.jpg")


@pytest.mark.parametrize("url", ["http://", "http://[::1/", "http://127.0.0.1:1/a.jpg", "https://127.0.0.1:x/"])
def test_addresses_that_are_none_are_told(url):
    with pytest.raises(PictureError, match="cannot be fetched"):
        fetch(url)
