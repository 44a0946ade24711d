"""Unpacks gzip files, as far as they are whole."""

import gzip
import os
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from lightning_flowers.errors import DataError

GZIP_MAGIC = b"\x1f\x8b\x08"  # https://www.rfc-editor.org/rfc/rfc1952, with its one compression method
_PIECE = 1 << 20


def unzipped(packed: BinaryIO, path: Path) -> tuple[int, str]:
    """Unpack into a nameless temporary file, a piece at a time.

    Args:
        packed: a gzip file, at its start.
        path: its name, for errors.

    Returns:
        The open temporary file's descriptor, which is the caller's to close, and what went wrong, empty if nothing
        did. All that came before the damage is in the file.

    Raises:
        DataError: the disk for temporary files is full.
    """
    broken = ""
    with tempfile.TemporaryFile() as file:
        try:
            with gzip.GzipFile(fileobj=packed) as pieces:
                while piece := pieces.read(_PIECE):
                    file.write(piece)
            file.flush()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            broken = f" (gzip, near packed byte {packed.tell()}: {error})"
            file.flush()
        except OSError as error:
            raise DataError(
                f"{path}: cannot be unpacked in {tempfile.gettempdir()}: {error.strerror}: unpack it yourself (gunzip)"
            ) from error
        return os.dup(file.fileno()), broken
