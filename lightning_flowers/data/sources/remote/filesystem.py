"""Opens fsspec's file systems, with time limits on what a dead network may take."""

import os
from typing import Any

from lightning_flowers.errors import DataError, UserError
from lightning_flowers.secrets import MARK, bare, redact, scrub

CONNECT_TIMEOUT, SILENCE_TIMEOUT = 10, 30  # seconds; a slow link that still sends is never given up
_PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "s3": "s3fs", "s3a": "s3fs"}
_S3_LOGIN = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or FSSPEC_S3_ANON=true for a public bucket"
_GS_LOGIN = "log in (gcloud auth application-default login), or set FSSPEC_GS_TOKEN=anon for a public bucket"
_HTTP_LOGIN = "check what it takes to read it: user and password (in ~/.netrc), or a signature that has not expired"
_OBJECT_STORES = {"gs": _GS_LOGIN, "gcs": _GS_LOGIN, "s3": _S3_LOGIN, "s3a": _S3_LOGIN}
LOGINS = {**_OBJECT_STORES, "http": _HTTP_LOGIN, "https": _HTTP_LOGIN}


def open_filesystem(url: str, protocol: str) -> tuple[Any, str]:
    """The file system that reads a URL, and the URL's path as it calls it.

    Raises:
        UserError: nothing that is installed can read such a URL, or it is no place for keys.
        DataError: it cannot be opened.
    """
    for store, login in _OBJECT_STORES.items():
        if f"{store}://{MARK}@" in redact(url):  # which would be taken for a part of the bucket's name
            raise UserError(f"{redact(url)}: takes no keys in its URL: {login}")
    from fsspec.config import conf
    from fsspec.core import url_to_fs

    options = {**_options(protocol), **conf.get(protocol, {})}
    try:
        fs, root = url_to_fs(url, skip_instance_cache=True, **options)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        mend = f"pip install {package}" if package else scrub(str(error), url)
        raise UserError(f"{bare(url)}: what reads {protocol}:// is not installed: {mend}") from error
    except ValueError as error:
        said = scrub(str(error), url)
        raise UserError(f"{bare(url)}: no such URL can be read ({said}): give gs://, s3:// or https://") from error
    except Exception as error:  # each driver has its own, and some log in here
        raise DataError(f"{bare(url)}: cannot be opened ({describe(error, url)}): check the address") from error
    return fs, root.rstrip("/")


def describe(error: BaseException, url: str) -> str:
    """What a driver says, in a line, without the secrets of its URL."""
    return scrub(f"{type(error).__name__}: {error}".partition("\n")[0], url)


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
