"""A picture from the web: bounded in bytes and in time."""

import asyncio

from lightning_flowers import __version__
from lightning_flowers.data.photograph import PictureError
from lightning_flowers.secrets import scrub

MAX_BYTES, TIMEOUT, DEADLINE = 64 << 20, 20.0, 120.0  # seconds without a byte, and in all
_PIECE = 1 << 16


def fetch(url: str) -> bytes:
    """The bytes under an http or https URL, through the proxy that the environment names.

    A user and a password in the URL are sent to its host, and not to others to which it redirects.

    Raises:
        PictureError: they do not come, or are too many.
    """
    try:
        return asyncio.run(_fetch(url))
    except PictureError:
        raise
    except TimeoutError:
        why = f"nothing came for {TIMEOUT:g} seconds, or not all in {DEADLINE:g}"
    except Exception as error:  # of sockets, TLS, HTTP and URLs there are many kinds
        why = " ".join(scrub(str(error), url).split()) or type(error).__name__
    raise PictureError(f"cannot be fetched: {why}")


async def _fetch(url: str) -> bytes:
    import aiohttp  # imported late: most pictures are files

    timeout = aiohttp.ClientTimeout(total=DEADLINE, sock_connect=TIMEOUT, sock_read=TIMEOUT)
    agent = {"User-Agent": f"lightning_flowers/{__version__}"}
    received = bytearray()
    async with (
        aiohttp.ClientSession(headers=agent, timeout=timeout, trust_env=True) as session,
        session.get(url) as response,
    ):
        if not response.ok:
            raise PictureError(f"cannot be fetched: HTTP {response.status} {response.reason}")
        async for piece in response.content.iter_chunked(_PIECE):
            received += piece
            if len(received) > MAX_BYTES:
                raise PictureError(f"has more than {MAX_BYTES >> 20} MB")
    return bytes(received)
