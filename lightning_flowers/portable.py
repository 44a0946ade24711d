"""What Linux has and macOS or Windows lack, in the way that each has it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock

from filelock import FileLock

_BINARY = getattr(os, "O_BINARY", 0)  # Windows would change the ends of lines
_FILES = 8192  # open at a time
_seeking = Lock()


def open_number(path: Path, flags: int) -> int:
    """Open a file; gives its descriptor, which processes started later do not inherit.

    Raises:
        OSError: it cannot be opened.
    """
    return os.open(path, flags | _BINARY, 0o600)


def read_at(number: int, length: int, position: int) -> bytes:
    """Bytes of an open file, fewer at its end. Any thread may read; where there is no `pread`, one after the other."""
    if hasattr(os, "pread"):
        return os.pread(number, length, position)
    with _seeking:
        os.lseek(number, position, os.SEEK_SET)
        return os.read(number, length)


def write_at(number: int, data: memoryview | bytes, position: int) -> int:
    """Write some bytes into an open file; gives how many. Any thread may write."""
    if hasattr(os, "pwrite"):
        return os.pwrite(number, data, position)
    with _seeking:
        os.lseek(number, position, os.SEEK_SET)
        return os.write(number, data)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes, and other threads, out of a folder while they would do the same.

    Raises:
        OSError: the folder is not there, or cannot be written to.
    """
    folder.stat()  # a FileLock would make it
    with FileLock(folder / "lock", mode=0o600):
        yield


def allocated(path: Path) -> int:
    """Bytes that a file takes on its disk, 0 where there is none."""
    with suppress(OSError):
        status = path.stat()
        blocks = getattr(status, "st_blocks", None)
        return status.st_size if blocks is None else blocks * 512
    return 0


def open_many_files() -> None:
    """Let this process have as many files open as 1000 shards of each split and their pictures are, if it may."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        if soft not in (resource.RLIM_INFINITY, hard) and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def user() -> str:
    """What tells this user from others of the machine."""
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def owns(path: Path) -> bool:
    """Whether a file or folder is this user's."""
    return not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()


@cache
def boot() -> str:
    """What names this start of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    if path.is_file():
        return path.read_text("utf-8").strip()
    if sys.platform == "linux":  # in a container that hides it
        return f"pid{os.getpid()}"
    import psutil

    return f"boot{psutil.boot_time() // 60:.0f}"  # Windows' is good to a second
