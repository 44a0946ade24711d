"""What tests of remote files share: a web server on loopback with the faults of real ones, and shards to serve."""

import hashlib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tenacity import wait_none

from lightning_flowers.data.sources.remote.store import RemoteStore

CHUNK = 4096
FOLDER = "tfrecords-jpeg-32x32/train"


class Site:
    """A web server of `files`, whose answers can be gated, slowed, cut, refused or spoilt."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.asked: list[tuple[str, str]] = []  # method, path
        self.sent: Counter[str] = Counter()  # body bytes
        self.statuses: dict[str, list[int]] = {}  # of the next requests for a path
        self.cuts: dict[str, list[int]] = {}  # bytes after which the next bodies are cut
        self.gates: dict[str, threading.Event] = {}  # bodies wait for these
        self.reached: dict[str, threading.Event] = {}  # set when a body is about to be sent
        self.spoil: Callable[[str, bytes], bytes] = lambda path, body: body
        self.watch: Callable[[], None] = lambda: None  # called before each chunk
        self.pace = 0.0  # seconds before each chunk
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/data"

    def list_files(self) -> None:
        """Make the listing."""
        self.files["listing.txt"] = "".join(f"./{path}\n" for path in self.files).encode()

    def gate(self, path: str) -> tuple[threading.Event, threading.Event]:
        """Hold back the bodies of a path: an event to set, and one that is set when the first is held back."""
        self.gates[path], self.reached[path] = threading.Event(), threading.Event()
        return self.gates[path], self.reached[path]

    def count(self, path: str) -> int:
        """How often a path's contents were asked for."""
        return self.asked.count(("GET", path))

    def close(self) -> None:
        for gate in self.gates.values():
            gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_HEAD(self) -> None:
                self._answer(False)

            def do_GET(self) -> None:
                self._answer(True)

            def log_message(self, format: str, *args: object) -> None:
                pass

            def _answer(self, with_body: bool) -> None:
                path = self.path.removeprefix("/data/")
                site.asked.append((self.command, path))
                status = site.statuses[path].pop(0) if site.statuses.get(path) and with_body else 200
                data = site.files.get(path)
                if status != 200 or data is None:
                    self._head(status if status != 200 else 404, 0)
                    return
                body, start = data, 0
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                if asked and site.ranges:
                    start = int(asked[1])
                    body, status = data[start : int(asked[2]) + 1], 206
                self._head(status, len(body), data)
                if with_body:
                    self._send(path, site.spoil(path, body))

            def _head(self, status: int, length: int, data: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.send_header("ETag", hashlib.sha256(data).hexdigest())
                self.end_headers()

            def _send(self, path: str, body: bytes) -> None:
                if path in site.gates:
                    site.reached[path].set()
                    site.gates[path].wait(20)
                stop = site.cuts[path].pop(0) if site.cuts.get(path) else len(body)
                try:
                    for start in range(0, min(stop, len(body)), CHUNK):
                        site.watch()
                        time.sleep(site.pace)
                        piece = body[start : min(start + CHUNK, stop)]
                        self.wfile.write(piece)
                        site.sent[path] += len(piece)
                except OSError:
                    self.close_connection = True
                if stop < len(body):
                    self.close_connection = True

        return Handler


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of 64 KiB, no waiting between attempts, no proxy."""
    monkeypatch.setattr("lightning_flowers.data.sources.remote.filesystem.BACKOFF", wait_none())
    monkeypatch.setattr("lightning_flowers.data.sources.remote.folder.RANGE", 1 << 16)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def shards(frame: Callable[[Iterable[bytes]], bytes]) -> dict[str, bytes]:
    """Six shards of 200 KB, by their path."""
    rng = np.random.default_rng(0)
    paths = [f"{FOLDER}/{number:02d}-32x32-2.tfrec" for number in range(6)]
    return {path: frame([rng.bytes(100_000), rng.bytes(100_000)]) for path in paths}


@pytest.fixture
def site(shards: dict[str, bytes]) -> Iterator[Site]:
    """The shards on a web server."""
    site = Site()
    site.files = dict(shards)
    site.list_files()
    yield site
    site.close()


@pytest.fixture
def fetch_threads() -> Callable[[], list[str]]:
    """The threads that fetch for this test: a run of an earlier one may still hold its store."""
    before = set(threading.enumerate())
    return lambda: [one.name for one in threading.enumerate() if one.name == "fetch" and one not in before]


@pytest.fixture
def open_store(
    tmp_path: Path, site: Site, fetch_threads: Callable[[], list[str]]
) -> Iterator[Callable[..., RemoteStore]]:
    """`open_store(url, **settings)`: a store in a folder of the test's own, closed at the end."""
    stores: list[RemoteStore] = []

    def open_store(url: str, **settings: object) -> RemoteStore:
        settings.setdefault("folder", tmp_path / "cache")
        stores.append(RemoteStore(url, **settings))  # pyright: ignore[reportArgumentType]
        return stores[-1]

    yield open_store
    for gate in site.gates.values():
        gate.set()
    for store in stores:
        store._remote.close()
    wait_until(lambda: not fetch_threads())
