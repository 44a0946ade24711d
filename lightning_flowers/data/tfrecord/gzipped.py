"""Unpacks gzip files, as far as they are whole."""

import os
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from lightning_flowers.errors import DataError

GZIP_MAGIC = b"\x1f\x8b\x08"  # https://www.rfc-editor.org/rfc/rfc1952, with its one compression method
_WITH_HEADER = 16 + zlib.MAX_WBITS
_PIECE = 1 << 10  # of which nothing is unpacked where it is damaged: a small part of a picture


def unzipped(packed: BinaryIO, path: Path) -> tuple[int, str]:
    """Unpack into a nameless temporary file, a piece at a time.

    Args:
        packed: a gzip file, at its start.
        path: its name, for errors.

    Returns:
        The open temporary file's descriptor, which is the caller's to close, and what went wrong, empty if nothing
        did. All that came before the damage is in the file, but for a piece.

    Raises:
        DataError: the disk for temporary files is full, or there is none.
    """
    try:
        with tempfile.TemporaryFile() as file:
            broken = _unpack(packed, file)
            file.flush()
            return os.dup(file.fileno()), broken
    except OSError as error:
        where = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
        raise DataError(f"{path}: cannot be unpacked{where}: {error.strerror}: unpack it yourself (gunzip)") from error


def _unpack(packed: BinaryIO, file: BinaryIO) -> str:
    member = zlib.decompressobj(_WITH_HEADER)
    while True:
        try:
            piece = packed.read(_PIECE)
        except OSError as error:
            return f" (gzip, after packed byte {packed.tell()}: {error.strerror})"
        if not piece:
            return "" if member.eof else f" (gzip, cut at packed byte {packed.tell()})"
        end = packed.tell()
        while piece := piece.lstrip(b"\0") if member.eof else piece:  # zeros may follow, or another member
            if member.eof:
                member = zlib.decompressobj(_WITH_HEADER)
            try:
                file.write(member.decompress(piece))
            except zlib.error as error:
                return f" (gzip, near packed byte {end - len(piece)}: {error})"
            piece = member.unused_data
