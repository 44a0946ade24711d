"""A picture from the web: bounded in bytes and in time."""

import time
import urllib.error
import urllib.request
from base64 import b64encode
from urllib.parse import unquote, urlsplit, urlunsplit

from lightning_flowers import __version__
from lightning_flowers.data.photograph import PictureError
from lightning_flowers.secrets import scrub

MOST_BYTES, TIMEOUT, DEADLINE = 64 << 20, 20.0, 120.0  # seconds without a byte, and in all
_PIECE = 1 << 16
# No file:// and ftp://, to which a server could redirect.
_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.UnknownHandler,
)


def fetch(url: str) -> bytes:
    """The bytes under an http or https URL, through the proxy that the environment names.

    Raises:
        PictureError: they do not come, or are too many.
    """
    try:
        return _fetch(url)
    except PictureError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        raise PictureError(f"cannot be fetched: HTTP {error.code} {error.reason}") from None
    except Exception as error:  # of sockets, TLS, HTTP and URLs there are many kinds
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise PictureError(
            f"cannot be fetched: {' '.join(scrub(str(why), url).split()) or type(why).__name__}"
        ) from None


def _fetch(url: str) -> bytes:
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    request = _request(url)
    deadline = time.monotonic() + DEADLINE
    received = bytearray()
    with opener.open(request, timeout=TIMEOUT) as response:
        while piece := response.read1(_PIECE):
            received += piece
            if len(received) > MOST_BYTES:
                raise PictureError(f"has more than {MOST_BYTES >> 20} MB")
            if time.monotonic() > deadline:
                raise PictureError(f"did not come whole in {DEADLINE:.0f} seconds")
    expected = response.headers.get("Content-Length")
    if expected is not None and expected.isdecimal() and len(received) < int(expected):
        raise PictureError("did not come whole: the connection was cut")
    return bytes(received)


def _request(url: str) -> urllib.request.Request:
    """Of a user and a password in the URL a header is made, which is not sent to where a server redirects."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))
    request.add_header("User-Agent", f"lightning_flowers/{__version__}")
    if user:
        request.add_unredirected_header("Authorization", f"Basic {b64encode(unquote(user).encode()).decode()}")
    return request
