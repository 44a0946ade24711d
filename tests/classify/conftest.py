"""What tests of `classify` share: a model that needs no run, and a web server."""

import http.server
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_flowers.data.photograph import square
from lightning_flowers.use import loading
from lightning_flowers.use.predictor import Predictor

CLASSES = ("red", "green", "blue")


class Colours(Predictor):
    """Takes a picture for the colour that it has most of."""

    def __init__(self):
        member: Any = SimpleNamespace(size_px=8)
        super().__init__("colours", Path("colours"), CLASSES, (member,))

    def probabilities_of(self, pixels, calibrated=True):
        amounts = pixels.reshape(len(pixels), -1, 3).mean(1).astype(np.float32) + 1
        return amounts / amounts.sum(1, keepdims=True)


@pytest.fixture
def colours(monkeypatch):
    """Puts it in the place of any run; gives back what it was loaded with."""
    asked = {}
    monkeypatch.setattr(loading, "load", lambda run, **settings: asked.update(run=run, **settings) or Colours())
    return asked


@pytest.fixture
def pictures(tmp_path):
    """A folder with pictures of three colours, in folders and in several formats, and files that are none."""
    folder = tmp_path / "pictures"
    (folder / "deep" / "deeper").mkdir(parents=True)
    for name, colour in (("a.jpg", "red"), ("deep/b.PNG", "lime"), ("deep/deeper/c.webp", "blue")):
        Image.new("RGB", (12, 9), colour).save(folder / name)
    (folder / "notes.txt").write_text("not called a picture")
    (folder / "._a.jpg").write_text("of a Mac")
    assert square(folder / "a.jpg", 8).shape == (8, 8, 3)
    return folder


@pytest.fixture
def serve():
    """Serves with a function of the handler; gives the address."""
    servers = []

    def start(answer):
        handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {"do_GET": answer, "log_message": _silent})
        server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = _silent  # some clients leave early, and are meant to
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _silent(*args):
    pass
