"""The files that decoded pictures are kept in: their names, locks, size and end."""

import errno
import hashlib
import os
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

import cv2

from lightning_flowers import portable
from lightning_flowers.data.tfrecord.index import ShardRecords
from lightning_flowers.portable import allocated, locked

STALE_SECONDS = 7 * 24 * 3600  # a file that no run has opened for so long is removed
SUFFIX = ".pictures"


def room(records: int, size: int) -> int:
    """Bytes of a file of so many pictures, and of a byte for each that says whether it is there."""
    return records * (size * size * 3 + 1)


def names(records: ShardRecords, size: int) -> tuple[str, str]:
    """The name of a shard's file once it is complete, and until then.

    Those of one shard begin alike, so that those of a shard that has changed are known as stale. An incomplete one
    belongs to this start of the machine: after a crash nobody knows which of its pages reached the disk.
    """
    place = _digest(str(records.shard.path.absolute()))[:8]
    key = _digest(f"{records.key} {len(records)} {size} {decoders()}")[:32]
    return f"{place}-{key}{SUFFIX}", f"{place}-{key}-{portable.boot()}{SUFFIX}"


def open_file(folder: Path, records: ShardRecords, size: int) -> tuple[int, Path]:
    """Open the file of a shard, made if need be, and remove those of the same shard that are stale.

    The file has its full size, and the bytes that say what is there have their room: they are written through a
    mapping, where a full disk would kill the process.

    Raises:
        OSError: it cannot be made, or there is no room.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder):
        complete, part = (folder / name for name in names(records, size))
        _remove(other for other in folder.glob(f"{complete.name[:8]}-*") if other not in (complete, part))
        path = complete if complete.is_file() else part
        file = portable.open_number(path, os.O_RDWR | os.O_CREAT)
        try:
            portable.mark_used(file)
            os.utime(path)
            set_size(file, len(records), size)
        except OSError:
            os.close(file)
            raise
    return file, path


def open_again(paths: Iterable[Path], inode: tuple[int, int]) -> int:
    """Open a file that was closed, under whichever of its names it has by now; gives its descriptor.

    Raises:
        OSError: it was removed, or another one has its name.
    """
    for path in paths:
        with suppress(FileNotFoundError):
            file = portable.open_number(path, os.O_RDWR)
            portable.mark_used(file)
            if inode_of(file) == inode:
                return file
            os.close(file)
    raise FileNotFoundError(errno.ENOENT, "their file was removed")


def inode_of(file: int) -> tuple[int, int]:
    """What tells a file from any other."""
    status = os.fstat(file)
    return status.st_dev, status.st_ino


def set_size(file: int, records: int, size: int) -> None:
    """Give a new file, or one that was cut, its size: no picture is there."""
    if os.fstat(file).st_size != room(records, size):
        os.ftruncate(file, 0)
        write(file, bytes(records), records * size * size * 3)


def write(file: int, data: memoryview | bytes, position: int) -> None:
    """Write all of some bytes.

    Raises:
        OSError: that cannot be, for want of room above all.
    """
    rest = memoryview(data)
    while rest:
        written = portable.write_at(file, rest, position)
        rest, position = rest[written:], position + written


def name_complete(file: int, folder: Path, records: ShardRecords, size: int) -> None:
    """Give a file that has become complete its lasting name, unless another process was as quick."""
    complete, part = (folder / name for name in names(records, size))
    with suppress(OSError):  # the folder was removed, or its disk fails: then the next run decodes anew
        os.fsync(file)
        with locked(folder):
            os.replace(part, complete)


def evict(folder: Path, wanted: int = 0, spared: Collection[Path] = ()) -> int:
    """Remove files that no run has opened for a week, then the longest unused until `wanted` bytes are freed.

    Those that a process has open stay (of very many, those opened last), and so do those that are spared. If all would
    not be enough, none of the younger ones goes.

    Returns:
        Bytes freed.
    """
    if not folder.is_dir():
        return 0
    with locked(folder):
        files = sorted((path for path in folder.glob(f"*{SUFFIX}") if path not in spared), key=_last_used)
        stale = [path for path in files if time.time() - _last_used(path) > STALE_SECONDS]
        freed, younger = _remove(stale), files[len(stale) :]
        if freed + sum(map(allocated, younger)) >= wanted:
            for path in younger:
                freed += _remove([path]) if freed < wanted else 0
        return freed


def _remove(paths: Iterable[Path]) -> int:
    freed = 0
    for path in paths:
        with suppress(OSError):  # a process has it open
            size = allocated(path)
            portable.remove_unused(path)
            freed += size
    return freed


def _last_used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def decoders() -> str:
    """What decodes, with its version: another one's pixels may be others."""
    return f"simplejpeg {metadata.version('simplejpeg')} opencv {cv2.__version__}"
