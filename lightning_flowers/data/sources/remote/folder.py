"""The folder under a URL: the list of its files, their versions, and their bytes, range by range."""

from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from lightning_flowers.data.sources.remote.filesystem import FileSystem
from lightning_flowers.errors import DataError
from lightning_flowers.secrets import bare

LISTING = "listing.txt"
TABLES = ("classes.txt", "sample_submission.csv")
_ASKED = 4  # files whose sizes are asked for at a time
LISTING_ATTEMPTS = 2  # a mistyped host must be told of at once
RANGE = 1 << 22  # bytes that are asked for at a time
# Where stores say which version of a file they hold.
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "Last-Modified", "LastModified", "updated", "mtime", "created")


class RemoteFile(NamedTuple):
    """One version of a file: `url` to show and to tell it apart by, `name` as its file system calls it."""

    url: str
    name: str
    size: int
    version: str


class RemoteFolder(FileSystem):
    """The files under one URL. Any thread may call any method.

    Args:
        url: of the folder, as fsspec takes it.
        attempts: how often each range is asked for, with exponential back-off, before a failing network is an error.

    Attributes:
        url: without user, password and query, for messages.

    Raises:
        UserError: nothing that is installed can read such a URL.
    """

    def __init__(self, url: str, attempts: int) -> None:
        super().__init__(url)
        self.url, self.attempts = bare(url).rstrip("/"), attempts
        self._by_listing = self.protocol in ("http", "https")
        self._known: dict[str, RemoteFile] = {}

    def files(self) -> dict[str, RemoteFile]:
        """The shards (anything with `.tfrec` in its name) and tables, as they were when they were listed, by their
        relative paths.

        Raises:
            DataError: the URL cannot be listed, there is no shard under it, or a file that is listed is not there.
        """
        if not self._known:
            if self._by_listing:
                wanted = [path for path in self._read_listing() if _is_wanted(path)]
                # Not concurrent.futures: fsspec closes sessions where garbage is collected, also under its lock.
                with ThreadPool(_ASKED) as pool:
                    found = dict(zip(wanted, pool.map(self._ask_version, wanted), strict=True))
            else:
                found = {path: file for path, file in self._find().items() if _is_wanted(path)}
            if not any(".tfrec" in path for path in found):
                raise DataError(
                    f"{self.url}: no shards there (such as tfrecords-jpeg-224x224/train/00-224x224-798.tfrec): "
                    "check the names of bucket and folder"
                )
            self._known = dict(sorted(found.items()))
        return self._known

    def pieces(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """The bytes of a file from `start` on, a range at a time.

        Raises:
            DataError: a range did not come in all attempts, or cannot come.
        """

        def read() -> bytes:
            stop = min(start + RANGE, file.size)
            data: bytes = self.call("cat_file", file.name, start=start, end=stop)
            if len(data) == file.size:  # all of it: what a server sends that knows no ranges
                return data[start:]
            if len(data) != stop - start:
                raise OSError(f"{len(data)} bytes came where {stop - start} were asked for")
            return data

        while start < file.size:
            try:
                data = self.retry(file.url, self.attempts, read)
            except FileNotFoundError as error:
                raise DataError(f"{file.url}: no longer there: put it there again") from error
            start += len(data)
            yield data

    def _read_listing(self) -> list[str]:
        url, name = f"{self.url}/{LISTING}", self._name(LISTING)
        try:
            data = self.retry(url, LISTING_ATTEMPTS, lambda: self.call("cat_file", name))
        except FileNotFoundError as error:
            raise DataError(
                f"{url}: not there, and a web server cannot say which files it has: make it in the data's folder "
                f"(find . -type f > {LISTING})"
            ) from error
        return parse_listing(data, url)

    def _find(self) -> dict[str, RemoteFile]:
        root = self.root
        try:
            infos = self.retry(self.url, LISTING_ATTEMPTS, lambda: self.call("find", root, detail=True))
        except FileNotFoundError:
            return {}
        paths = {name.removeprefix(root).lstrip("/"): info for name, info in infos.items() if name.startswith(root)}
        return {path: self._as_file(path, info) for path, info in paths.items() if info.get("size") is not None}

    def _ask_version(self, path: str) -> RemoteFile:
        url, name = f"{self.url}/{path}", self._name(path)
        try:
            info = self.retry(url, self.attempts, lambda: self.call("info", name))
        except FileNotFoundError as error:
            raise DataError(f"{url}: not there, though it is listed: put it there, or list anew") from error
        if info.get("size") is None:
            raise DataError(f"{url}: the server does not say how long it is: let it send Content-Length")
        return self._as_file(path, info)

    def _as_file(self, path: str, info: dict[str, Any]) -> RemoteFile:
        # Where a store tells no version, a query may be what tells two files apart.
        name, told = self._name(path), " ".join(f"{key}={info[key]}" for key in _VERSIONS if info.get(key))
        return RemoteFile(f"{self.url}/{path}", name, int(info["size"]), told or urlsplit(name).query)

    def _name(self, path: str) -> str:
        if not self._by_listing:
            return f"{self.root}/{path}"
        base = urlsplit(self.root)  # a query (a signature, say) stays behind the path
        return urlunsplit(base._replace(path=f"{base.path.rstrip('/')}/{quote(path)}"))


def parse_listing(data: bytes, url: str) -> list[str]:
    """The paths of a listing, one a line, as `find` prints them.

    Raises:
        DataError: not text, or a path that leads out of the folder; names the line.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except ValueError as error:
        raise DataError(f"{url}: not a text file in UTF-8: {error}") from error
    paths = [PurePosixPath(line) for line in lines]
    for number, path in enumerate(paths, 1):
        if path.is_absolute() or ".." in path.parts:
            raise DataError(f"{url}: line {number}: {str(path)!r} is not a path within the folder")
    return [str(path) for path in paths if path.name]


def _is_wanted(path: str) -> bool:
    # Whatever may once have been a shard counts: a renamed one must not be silently left out.
    name = PurePosixPath(path).name
    return name in TABLES or (".tfrec" in name and not name.startswith("."))
