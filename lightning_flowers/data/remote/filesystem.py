"""Opens fsspec's file systems, with time limits on what a dead network may take."""

import os
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lightning_flowers.errors import UserError

CONNECT_TIMEOUT, SILENCE_TIMEOUT = 10, 30  # seconds; a slow link that still sends is never given up
_PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "s3": "s3fs", "s3a": "s3fs"}


def shown(url: str) -> str:
    """The URL without user, password and query, which may be secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def open_filesystem(url: str, protocol: str) -> tuple[Any, str]:
    """The file system that reads a URL, and the URL's path as it calls it.

    Raises:
        UserError: nothing that is installed can read such a URL.
    """
    from fsspec.config import conf
    from fsspec.core import url_to_fs

    options = {**_options(protocol), **conf.get(protocol, {})}
    try:
        fs, root = url_to_fs(url, skip_instance_cache=True, **options)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        mend = f"pip install {package}" if package else str(error)
        raise UserError(f"{shown(url)}: what reads {protocol}:// is not installed: {mend}") from error
    except ValueError as error:
        raise UserError(f"{shown(url)}: no such URL can be read ({error}): give gs://, s3:// or https://") from error
    return fs, root.rstrip("/")


def _options(protocol: str) -> dict[str, Any]:
    if protocol in ("s3", "s3a"):
        # One attempt of theirs is one of ours.
        times = {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": SILENCE_TIMEOUT, "retries": {"max_attempts": 0}}
        return {"config_kwargs": times}
    if protocol not in ("http", "https", "gs", "gcs"):
        return {}
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, connect=2 * CONNECT_TIMEOUT, sock_read=SILENCE_TIMEOUT)
    session = {"timeout": limits, "trust_env": True}  # which heeds HTTPS_PROXY
    if protocol in ("gs", "gcs"):
        # Else gcsfs first asks over gRPC what kind of bucket it is, for a minute where only HTTP passes.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        return {"session_kwargs": session}
    return {"client_kwargs": session, "headers": {"Accept-Encoding": "identity"}}  # packed, ranges mean other bytes
