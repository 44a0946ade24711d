"""Writing files and folders that are whole or not there, and text for them."""

import csv
import errno
import hashlib
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from filelock import FileLock

from lightning_flowers.errors import DataError, UserError
from lightning_flowers.portable import open_number

_LOCK = ".lightning_flowers.lock"  # of a folder under way: held as long as its process lives
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MENDS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make it writable"),
    errno.EFBIG: "raise the limit on files' sizes",
    errno.ENOENT: "look whether it was removed",
}


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; what was written takes its place only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with _telling_of_room(path):
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` to write to, which takes its place only when the block ends well; one that is there
    must be empty. What processes that were killed had begun of it is removed."""
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    for lock in path.parent.glob(f".{escape(path.name)}.*/{_LOCK}"):
        with suppress(OSError), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent)
    beside = TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True)
    with beside as work, FileLock(Path(work, _LOCK)), _telling_of_room(path):
        part = Path(work, "whole")
        part.mkdir()
        yield part
        if path.is_dir():
            path.rmdir()  # Windows puts no folder in the place of another
        part.rename(path)


def make_once(folder: Path, make: Callable[[Path], object], what: str, mend: str = "") -> Path:
    """Make a folder that is not there, in one process: others wait, and find it done. Gives the folder.

    Args:
        make: writes it as `atomic_folder` does.
        what: it is, for messages.
        mend: of a folder that cannot be written, beside making room.

    Raises:
        UserError: it cannot be written.
    """
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f".{folder.name}.lock")):
                if not folder.is_dir():
                    make(folder)
    except OSError as error:
        raise UserError(
            f"{folder}: {what} cannot be written there: {error.strerror or error}; make room, or set XDG_CACHE_HOME to "
            f"another folder{mend}"
        ) from error
    return folder


@contextmanager
def _telling_of_room(path: Path) -> Iterator[None]:
    """Have what a full disk brings about be an OSError that names `path`: libraries have words of their own for it."""
    try:
        yield
    except Exception as error:
        try:
            if not isinstance(error, OSError | UserError):
                with TemporaryFile(dir=path.parent) as room:
                    room.write(bytes(1 << 20))
            raise
        except OSError as full:
            if full.errno not in _FULL:
                raise
            raise OSError(full.errno, full.strerror, str(path)) from error


def free_path(given: str | None, default: str) -> Path:
    """The path that `--out` gives, else `default` in the current folder, numbered if that is taken.

    Raises:
        UserError: what `--out` names is there already.
    """
    if given is None:
        path = Path(default)
        numbered = (path if number == 1 else path.with_stem(f"{path.stem}-{number}") for number in count(1))
        return next(candidate for candidate in numbered if not candidate.exists())
    path = Path(given).expanduser()
    if path.exists():
        raise UserError(f"--out={given}: is there already: choose another name, or remove it")
    return path


def mend_of(error: OSError) -> str:
    """What to do about a file or folder that cannot be written."""
    return _MENDS.get(error.errno or 0, "make room")


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) as a whole."""
    with atomic_file(path) as part:
        part.write_text(text, "utf-8", newline="\n")  # on Windows too


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A header and rows as CSV, numbers in full; None is empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def read_lines(path: Path, mend: str) -> str:
    """The text of a file that `write_text` has left, whose lines all have an end.

    Raises:
        UserError: it cannot be read, is no text, or was cut off; `mend` says what to do.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}: {mend}") from error
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}): {mend}") from error
    if not text.endswith("\n"):
        raise UserError(f"{path}: damaged ({'cut off in its last line' if text else 'empty'}): {mend}")
    return text


def digest(path: Path) -> str:
    """What tells a file's content from another's, as 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def open_file(path: Path) -> int:
    """Open a regular file for reading; gives its descriptor.

    Raises:
        DataError: it cannot be read, or is no regular file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: cannot be read: not a file")
        return open_number(path, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
