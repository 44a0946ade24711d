"""One fsspec file system: opened with time limits, stopped at will, asked again while the network fails."""

import asyncio
import errno
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_attempt, wait_exponential_jitter

from lightning_flowers.data.sources.remote.filesystem import LOGINS, describe, open_filesystem
from lightning_flowers.errors import DataError, UserError

BACKOFF = wait_exponential_jitter(initial=1, max=30, jitter=1)  # seconds
# Drivers share no base class for a failing network, and need not be installed: these are the names of theirs.
_NETWORK = {"OSError", "ClientError", "HTTPClientError", "ConnectionError", "HTTPException", "HttpError"}
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError)
_LASTING_ERRNOS = (errno.EINVAL, errno.EPERM, errno.ENOSYS)
_REFUSALS = ("PermissionError", "NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
_T = TypeVar("_T")


class StoppedError(RuntimeError):
    """The driver was closed."""


class Driver:
    """The file system of one URL. Any thread may call any method.

    Args:
        url: as fsspec takes it.

    Attributes:
        protocol: such as `s3`.
        root: the URL's path, as the file system calls it.
        stopped: set once it is closed.

    Raises:
        UserError: nothing that is installed can read such a URL.
    """

    def __init__(self, url: str) -> None:
        self.protocol, self._url = url.partition("://")[0], url
        self._fs, self.root = open_filesystem(url, self.protocol)
        self._loop = getattr(self._fs, "loop", None)  # where the driver is asynchronous
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the file system, once.

        Raises:
            StoppedError: the driver is closed, or was meanwhile.
        """
        if self._loop is None:
            self.check_open()
            return getattr(self._fs, method)(*args, **kwargs)
        with self._lock:
            self.check_open()
            coroutine = getattr(self._fs, f"_{method}")(*args, **kwargs)
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            self._running.add(future)
        return self._wait(future)

    def retry(self, url: str, attempts: int, call: Callable[[], _T]) -> _T:
        """Do `call`, again with exponential back-off while the network is what fails.

        Args:
            url: what is asked for, for errors.
            attempts: how often at most.
            call: uses `self.call`.

        Raises:
            FileNotFoundError: there is no such file.
            DataError: it failed for good, or in all attempts.
            StoppedError: the driver is closed, or was meanwhile.
        """
        retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=BACKOFF,
            retry=retry_if_exception(is_transient),
            sleep=sleep_using_event(self.stopped),
            reraise=True,
        )
        try:
            return retrying(call)
        except (UserError, StoppedError):
            raise
        except Exception as error:  # each driver has its own
            cause = _cause(error)
            if isinstance(cause, FileNotFoundError) or _status(cause) in (404, 410):
                raise FileNotFoundError(url) from error
            raise DataError(f"{url}: {self._explain(cause, attempts)}") from error

    def check_open(self) -> None:
        """Raise StoppedError if the driver is closed."""
        if self.stopped.is_set():
            raise StoppedError("the store of remote files is closed")

    def forget(self) -> None:
        """Ask the store itself from now on, not what is remembered of it."""
        self._fs.invalidate_cache()

    def close(self) -> None:
        """End what is under way in other threads: it raises `StoppedError`."""
        with self._lock:
            self.stopped.set()
            for future in list(self._running):
                future.cancel()
        fs = getattr(self._fs, "fs", self._fs)  # what lies below simplecache:: and its like
        for name in ("_session", "_s3"):  # fsspec itself closes connections only when it is garbage collected
            if (session := getattr(fs, name, None)) is not None:
                fs.close_session(self._loop, session)

    def _wait(self, future: Future[Any]) -> Any:
        try:
            return future.result()
        except CancelledError as error:
            raise StoppedError("the store of remote files was closed") from error
        finally:
            future.cancel()  # where Ctrl-C ended the wait
            with self._lock:
                self._running.discard(future)

    def _explain(self, error: BaseException, attempts: int) -> str:
        status = _status(error)  # its own words may hold the URL with its secrets
        said = f"HTTP status {status}" if status else describe(error, self._url)
        if type(error).__name__ in _REFUSALS or status in (401, 403):
            return f"access refused ({said}): {LOGINS.get(self.protocol, 'check what it takes to read it')}"
        if is_transient(error):
            return (
                f"cannot be fetched, tried {attempts} times ({said}): check the address and the network, and start "
                "again (what has come is kept)"
            )
        return f"cannot be read ({said}): check the address"


def is_transient(error: BaseException) -> bool:
    """Whether asking again may help."""
    cause = _cause(error)
    if isinstance(cause, _LASTING) or (isinstance(cause, OSError) and cause.errno in _LASTING_ERRNOS):
        return False
    status = _status(cause)
    if status is not None:
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
