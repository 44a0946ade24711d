"""What tests of `serve` share: a model that takes a picture for its colour, and a server in a process of its own."""

import base64
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import lightning_flowers
from lightning_flowers import feature_store
from lightning_flowers.serve.app import build
from lightning_flowers.serve.backends import choose
from lightning_flowers.serve.settings import Settings
from lightning_flowers.use.predictor import Predictor

CLASSES = ("red", "green", "blue")


class Colours(Predictor):
    """Takes a picture for the colour that it has most of; calls `before` first."""

    def __init__(self, before: Callable[[int], Any] = lambda count: None):
        member: Any = SimpleNamespace(size_px=8, tta="none", weight=1.0, run=SimpleNamespace(timm_name="colours"))
        super().__init__("colours", Path("colours"), CLASSES, (member,))
        object.__setattr__(self, "before", before)

    def probabilities_of(self, pixels, calibrated=True):
        vars(self)["before"](len(pixels))
        amounts = pixels.reshape(len(pixels), -1, 3).mean(1).astype(np.float32) + 1
        return amounts / amounts.sum(1, keepdims=True)


def form(*contents, name="a.png"):
    """Pictures as the fields of a form."""
    return [("file", (name, content, "application/octet-stream")) for content in contents]


def encoded(*contents):
    """Pictures as JSON."""
    return {"pictures": [base64.b64encode(content).decode() for content in contents]}


@pytest.fixture(scope="session")
def picture():
    """A picture file of a colour: `picture("red", "PNG", (12, 9))`."""

    def encode(colour="red", form="PNG", size=(12, 9), mode="RGB", **options):
        file = io.BytesIO()
        Image.new("RGB", size, colour).convert(mode).save(file, form, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """Asks a server with small limits, without a network."""
    settings = Settings(max_files=3, max_bytes=100_000, max_pixels=10_000, queue=4)
    with TestClient(build(Colours(), settings), raise_server_exceptions=False) as asking:
        yield asking


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in place of the user's cache folder, for what the servers of all tests keep."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_store, "platformdirs", SimpleNamespace(user_cache_dir=lambda name: folder / name))
        yield folder


@pytest.fixture(autouse=True)
def own_features(caches: Path) -> Path:
    """In place of the one that each test of other rooms has."""
    return caches


@pytest.fixture(scope="session")
def tiny(tiny_run):
    """The tiny run, loaded."""
    return lightning_flowers.load(tiny_run, accelerator="cpu")


@pytest.fixture(scope="module")
def real(tiny) -> Iterator[TestClient]:
    """Asks a server with the tiny run and the backend that is taken by itself."""
    with TestClient(build(tiny, Settings(), backend=choose(tiny, "auto"))) as asking:
        yield asking


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Starts a server in a process of its own, its model the colours and as slow as said; gives it and its port."""
    started: list[subprocess.Popen[str]] = []

    def begin(seconds: float = 0.0, **settings: Any) -> tuple[subprocess.Popen[str], int]:
        here = Path(__file__).parent
        command = [sys.executable, str(here / "slow.py"), str(seconds), repr(settings)]
        environment = {**os.environ, "PYTHONPATH": str(here.parent.parent)}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        started.append(server)
        assert server.stdout
        return server, int(server.stdout.readline())

    yield begin
    for server in started:
        server.kill()
        server.wait()
        assert server.stdout
        server.stdout.close()
