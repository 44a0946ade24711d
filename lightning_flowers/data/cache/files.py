"""The files that decoded pictures are kept in: their names, locks, size and end."""

import hashlib
import os
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

import cv2
import PIL

from lightning_flowers import portable
from lightning_flowers.data.tfrecord.index import ShardRecords
from lightning_flowers.portable import allocated, locked

STALE_SECONDS = 7 * 24 * 3600  # a file that no run has opened for so long is removed
SUFFIX = ".pictures"


def room(records: int, size: int) -> int:
    """Bytes of a file of so many pictures, and of a byte for each that says whether it is there."""
    return records * (size * size * 3 + 1)


def file_name(records: ShardRecords, size: int) -> str:
    """The name of a shard's file.

    It belongs to this start of the machine: after a crash nobody knows which of its pages reached the disk.
    """
    what = f"{records.key} {len(records)} {size} {decoders()} {portable.boot()}"
    return f"{hashlib.sha256(what.encode()).hexdigest()[:32]}{SUFFIX}"


def open_file(folder: Path, records: ShardRecords, size: int) -> int:
    """Open the file of a shard, made if need be.

    The file has its full size, and the bytes that say what is there have their room: they are written through a
    mapping, where a full disk would kill the process.

    Raises:
        OSError: it cannot be made, or there is no room.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder):
        path = folder / file_name(records, size)
        file = portable.open_number(path, os.O_RDWR | os.O_CREAT)
        try:
            os.utime(path)
            if os.fstat(file).st_size != room(len(records), size):
                os.ftruncate(file, 0)
                write(file, bytes(len(records)), len(records) * size * size * 3)
        except OSError:
            os.close(file)
            raise
    return file


def write(file: int, data: memoryview | bytes, position: int) -> None:
    """Write all of some bytes.

    Raises:
        OSError: that cannot be, for want of room above all.
    """
    rest = memoryview(data)
    while rest:
        written = portable.write_at(file, rest, position)
        rest, position = rest[written:], position + written


def evict(folder: Path, wanted: int = 0, spared: Collection[Path] = ()) -> None:
    """Remove files that no run has opened for a week, then the longest unused until `wanted` bytes are freed.

    Those that are spared stay. A process that has one open reads on, but for one of another machine, on a network's
    disk, which would be killed: so files of another start are not taken for left over before.
    """
    with locked(folder):
        files = (path for path in folder.glob(f"*{SUFFIX}") if path not in spared)
        for path in sorted(files, key=_last_used):
            if wanted > 0 or time.time() - _last_used(path) > STALE_SECONDS:
                with suppress(OSError):  # Windows removes no open file
                    size = allocated(path)
                    path.unlink()
                    wanted -= size


def _last_used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0


@cache
def decoders() -> str:
    """What decodes, with its version: another one's pixels may be others."""
    return f"simplejpeg {metadata.version('simplejpeg')} opencv {cv2.__version__} pillow {PIL.__version__}"
