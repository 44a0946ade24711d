"""An fsspec file system: opened with time limits on what a dead network may take, asked again while it fails."""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_attempt, wait_exponential_jitter

from lightning_flowers.errors import DataError, UserError
from lightning_flowers.secrets import MARK, bare, redact, scrub

CONNECT_TIMEOUT, SILENCE_TIMEOUT = 10, 30  # seconds; a slow link that still sends is never given up
_LOOK = 0.1  # seconds between looks whether to stop
BACKOFF = wait_exponential_jitter(initial=1, max=30, jitter=1)  # seconds
_S3_LOGIN = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or FSSPEC_S3_ANON=true for a public bucket"
_GS_LOGIN = "log in (gcloud auth application-default login), or set FSSPEC_GS_TOKEN=anon for a public bucket"
_HTTP_LOGIN = "check what it takes to read it: user and password (in ~/.netrc), or a signature that has not expired"
_OBJECT_STORES = {"gs": _GS_LOGIN, "gcs": _GS_LOGIN, "s3": _S3_LOGIN, "s3a": _S3_LOGIN}
_LOGINS = {**_OBJECT_STORES, "http": _HTTP_LOGIN, "https": _HTTP_LOGIN}
# Drivers share no base class for a failing network, and need not be installed: these are the names of theirs.
_NETWORK = {"OSError", "ClientError", "HTTPClientError", "ConnectionError", "HTTPException", "HttpError"}
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError)
_REFUSALS = ("PermissionError", "NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
_T = TypeVar("_T")


class StoppedError(RuntimeError):
    """The file system was stopped."""


class FileSystem:
    """The file system that reads a URL. Any thread may call any method.

    Args:
        url: as fsspec takes it.

    Attributes:
        protocol: such as `s3`.
        root: the URL's path, as the file system calls it.
        stopped: set to end all that is under way in other threads, for now.

    Raises:
        UserError: nothing that is installed can read such a URL, or it is no place for keys.
        DataError: it cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.protocol, self._url = url.partition("://")[0], url
        self._fs, self.root = _open(url, self.protocol)
        self.stopped = threading.Event()
        self.close = weakref.finalize(self, _close, self._fs, self.stopped)  # also at the process's end

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of fsspec's file system, once; `stopped` ends it, where the driver is asynchronous."""
        if (loop := getattr(self._fs, "loop", None)) is None:
            return getattr(self._fs, method)(*args, **kwargs)
        future = asyncio.run_coroutine_threadsafe(getattr(self._fs, f"_{method}")(*args, **kwargs), loop)
        try:
            while not wait([future], _LOOK).done:
                self.check_open()
            return future.result()
        finally:
            future.cancel()

    def retry(self, shown: str, attempts: int, question: Callable[[], _T]) -> _T:
        """Ask a question, again with exponential back-off while the network is what fails.

        Args:
            shown: what is asked for, for errors.
            attempts: how often at most.
            question: uses `call`.

        Raises:
            FileNotFoundError: there is no such file.
            DataError: it failed for good, or in all attempts.
            StoppedError: it is stopped, or was meanwhile.
        """
        retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=BACKOFF,
            retry=retry_if_exception(lambda error: not self.stopped.is_set() and is_transient(error)),
            sleep=sleep_using_event(self.stopped),
            before=lambda _: self.check_open(),
            reraise=True,
        )
        try:
            return retrying(question)
        except Exception as error:  # each driver has its own
            self.check_open()
            cause = _cause(error)
            if isinstance(cause, FileNotFoundError) or _status(cause) in (404, 410):
                raise FileNotFoundError(shown) from error
            raise DataError(f"{shown}: {self._explain(cause, attempts)}") from error

    def check_open(self) -> None:
        """Raise StoppedError if it is stopped."""
        if self.stopped.is_set():
            raise StoppedError("the store of remote files was stopped")

    def _explain(self, error: BaseException, attempts: int) -> str:
        status = _status(error)  # its own words may hold the URL with its secrets
        said = f"HTTP status {status}" if status else _describe(error, self._url)
        if type(error).__name__ in _REFUSALS or status in (401, 403):
            return f"access refused ({said}): {_LOGINS.get(self.protocol, 'check what it takes to read it')}"
        if is_transient(error):
            return (
                f"cannot be fetched, tried {attempts} times ({said}): check the address and the network, and start "
                "again (what has come is kept)"
            )
        return f"cannot be read ({said}): check the address"


def is_transient(error: BaseException) -> bool:
    """Whether asking again may help."""
    cause = _cause(error)
    if isinstance(cause, _LASTING):
        return False
    if (status := _status(cause)) is not None:
        return status in (408, 425, 429) or status >= 500
    return any(kind.__name__ in _NETWORK for kind in type(cause).__mro__)


def _cause(error: BaseException) -> BaseException:
    """What lies behind an error: fsspec's HTTP `info` calls every failure a missing file."""
    cause = error.__cause__
    hidden = isinstance(error, FileNotFoundError) and cause is not None and type(cause).__module__.startswith("aiohttp")
    return cause if hidden and cause is not None else error


def _status(error: Any) -> int | None:
    """The HTTP status of an error, as aiohttp and gcsfs tell it."""
    status = str(error.status if hasattr(error, "status") else getattr(error, "code", None))
    return int(status) if status.isdecimal() else None


def _describe(error: BaseException, url: str) -> str:
    """What a driver says, in a line, without the secrets of its URL."""
    return scrub(f"{type(error).__name__}: {error}".partition("\n")[0], url)


def _open(url: str, protocol: str) -> tuple[Any, str]:
    for store, login in _OBJECT_STORES.items():
        if f"{store}://{MARK}@" in redact(url):  # which would be taken for a part of the bucket's name
            raise UserError(f"{redact(url)}: takes no keys in its URL: {login}")
    from fsspec.config import conf
    from fsspec.core import url_to_fs

    options = {**_options(protocol), **conf.get(protocol, {})}
    try:
        fs, root = url_to_fs(url, skip_instance_cache=True, **options)
    except ImportError as error:
        said = scrub(str(error), url)  # which names the package
        raise UserError(f"{bare(url)}: what reads {protocol}:// is not installed: {said}") from error
    except ValueError as error:
        said = scrub(str(error), url)
        raise UserError(f"{bare(url)}: no such URL can be read ({said}): give gs://, s3:// or https://") from error
    except Exception as error:  # each driver has its own, and some log in here
        raise DataError(f"{bare(url)}: cannot be opened ({_describe(error, url)}): check the address") from error
    return fs, root.rstrip("/")


def _close(fs: Any, stopped: threading.Event) -> None:
    stopped.set()
    fs = getattr(fs, "fs", fs)  # what lies below simplecache:: and its like
    for name in ("_session", "_s3"):  # fsspec itself closes connections only when it is garbage collected
        if (session := getattr(fs, name, None)) is not None:
            fs.close_session(fs.loop, session)


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
