"""The place that one version of one remote file has in the cache, and how the file gets there."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from lightning_flowers.data.sources.remote.files import RemoteFile
from lightning_flowers.errors import DataError


class DamagedError(DataError):
    """A file that came whole but did not pass its check."""


class Entry:
    """The place of one version of a file: `path` where it is whole, `part` where it grows."""

    def __init__(self, folder: Path, file: RemoteFile) -> None:
        self.file = file
        self.of_url = hashlib.sha256(file.url.encode()).hexdigest()[:16]
        self.key = f"{self.of_url}-{hashlib.sha256(file.version.encode()).hexdigest()[:8]}-{file.size}"
        self.folder = folder / self.key
        name = PurePosixPath(file.url).name  # a shard's name is part of what is checked
        self.path, self.part = self.folder / name, self.folder / "part" / name

    def is_whole(self) -> bool:
        """Whether the file is there."""
        with suppress(OSError):
            return self.path.stat().st_size == self.file.size
        return False

    def fill(self, pieces: Callable[[int], Iterator[bytes]], check: Callable[[Path], None]) -> None:
        """Go on from what is there of `part`, check it, and give it its place.

        Args:
            pieces: gives the bytes from a position on.
            check: raises DataError if the file is not what it should be.

        Raises:
            DamagedError: it is not; it must be fetched anew.
        """
        self.part.parent.mkdir(exist_ok=True)
        with self.part.open("ab") as out:
            if out.tell() > self.file.size:
                out.truncate(0)
            for piece in pieces(out.tell()):
                out.write(piece)
                out.flush()
            os.fsync(out.fileno())
        try:
            check(self.part)
        except DataError as error:
            self.part.unlink()
            raise DamagedError(str(error).replace(str(self.part), self.file.url)) from error
        os.replace(self.part, self.path)
