"""The application on uvicorn: a socket, a bound on slow clients, an end that lets what is under way finish."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from lightning_flowers.errors import UserError
from lightning_flowers.serve.settings import Settings

_LONGEST_HEAD = 16 << 10


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound, and listens once it is served: nobody connects to a model that is still loaded.

    Args:
        port: 0..65535; 0 takes one that is free.

    Raises:
        UserError: it cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with ExitStack() as on_error:
            # Told that it is TCP, asyncio sends each piece at once: else each answer waits 40 ms for the client's ACK.
            bound = on_error.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
            on_error.pop_all()
            return bound
    except OSError as error:
        raise UserError(f"--host={host} --port={port}: {error.strerror}: choose others") from error


def address(host: str, listening: socket.socket) -> str:
    """Where a browser finds it."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}/"


def serve(app: FastAPI, listening: socket.socket, settings: Settings, started: Callable[[], Any]) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is under way.

    Args:
        started: is called once requests are answered.
    """
    config = uvicorn.Config(
        app,
        http=type("Bounded", (_BoundedProtocol,), {"header_seconds": settings.header_seconds}),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,  # addresses are nobody's business
        server_header=False,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        timeout_graceful_shutdown=int(settings.grace_seconds),
    )
    gc.freeze()  # what was imported stays: the collector need not go through it in the middle of requests
    server = _Server(config)
    server.when_started = started
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run([listening])  # raises the signals that it got once more
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    when_started: Callable[[], Any]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_started()


class _BoundedProtocol(H11Protocol):
    """Uvicorn's, for clients whose requests' heads come within so many seconds."""

    header_seconds: float
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.header_seconds, self.transport.close)

    def _stop(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
