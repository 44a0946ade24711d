"""One TFRecord shard: its name, and checked access to its records."""

import os
import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.tfrecord.file_bytes import FileBytes
from lightning_flowers.data.tfrecord.framing import (
    FOOTER_BYTES,
    HEADER_BYTES,
    FramingError,
    Span,
    masked_crc,
    read_span,
)
from lightning_flowers.data.tfrecord.gzipped import GZIP_MAGIC, unzipped
from lightning_flowers.data.tfrecord.open_files import Reopened
from lightning_flowers.data.tfrecord.signatures import HEAD_BYTES, looks_like
from lightning_flowers.errors import DataError, RecordError
from lightning_flowers.files import open_file
from lightning_flowers.portable import read_at

MEND = "fetch the shard again"
# A count of more digits is a slip, and would claim as much memory.
_NAME = re.compile(r"(?P<number>\d{1,20})-(?P<size>\d{1,6})x(?P=size)-(?P<count>\d{1,7})\.tfrec(?:\.gz)?", re.ASCII)
_MAX_MISSING = 1 << 16  # records that can be noted as missing; beyond, it is the name that is wrong


class ShardName(NamedTuple):
    """What a shard's name `NN-SxS-COUNT.tfrec` says of it (`.gz` may follow)."""

    number: int
    size: int
    records: int

    @classmethod
    def parse(cls, path: Path) -> "ShardName":
        """Read the name of `path`.

        Raises:
            DataError: the name has another form, so that nothing says how many records the shard must hold.
        """
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise DataError(
                f"{path}: not named NN-SxS-COUNT.tfrec (such as 00-224x224-798.tfrec): give it its own name"
            )
        return cls(*(int(match[group]) for group in ("number", "size", "count")))

    def __str__(self) -> str:
        return f"{self.number:02d}-{self.size}x{self.size}-{self.records}.tfrec"


class Shard:
    """A shard whose framing was walked once: every length and its CRC checked, no payload read.

    A gzip file is unpacked to a nameless temporary file first. The file may be closed while many others are read, and
    is opened again by its name; one that was replaced or deleted while it is open is read on. Records are read with
    `pread`, not from a mapping: a file that somebody cuts while it is in use is then an error, where a mapping would
    kill the process (SIGBUS).

    Args:
        path: a file named `NN-SxS-COUNT.tfrec`.
        skip: keep damaged records in `bad` in place of failing.
        opener: opens the file, and gives its descriptor, now and whenever it was closed. Default: opens `path`.

    Attributes:
        bytes: size in bytes, unpacked.
        spans: of each record that was found.
        bad: why a record cannot be read, by its number; empty unless `skip`.

    Raises:
        DataError: the name has another form; the file cannot be read; without `skip`, it is cut or damaged, or it holds
            fewer records than its name says; with or without, it holds more.
    """

    def __init__(self, path: Path, skip: bool = False, opener: Callable[[], int] | None = None) -> None:
        self.path = path
        self.name = ShardName.parse(path)
        self.bad: dict[int, str] = {}
        opener = opener or partial(open_file, path)
        number, self._broken = _open(path, opener)
        self._file = Reopened(partial(_open_again, path, opener), number)
        file = self._file.get()
        self.bytes = os.fstat(file.number).st_size
        self.spans = self._walk(self.file_bytes(), skip)
        if len(self.spans) > self.name.records:
            raise DataError(f"{path}: {self._miscounted()}")

    def __len__(self) -> int:
        """The number of records that the name states."""
        return self.name.records

    def close(self) -> None:
        """Close the file until it is read from again; what is known of its records stays."""
        self._file.close()

    def file_bytes(self) -> FileBytes:
        """The whole file, to look at a few bytes here and there without reading the rest."""
        return FileBytes(self._file.get(), self.bytes)

    def payload(self, record: int) -> bytes:
        """The payload of one record, its CRC checked.

        Raises:
            DataError: the record is damaged, or the file was changed or cut since it was opened, or cannot be opened
                again.
        """
        if record in self.bad:
            raise self.error(record, self.bad[record])
        offset, length, stored = self.spans[record]
        try:
            file = self._file.get()
            payload = read_at(file.number, length, offset)
        except OSError as error:
            raise self.error(record, f"cannot be read: {error.strerror}") from error
        if os.fstat(file.number).st_size != self.bytes:
            raise self.error(record, "the file was changed while it was in use: start again")
        if masked_crc(payload) != stored:
            raise self.error(record, f"the payload does not match its CRC: {MEND}")
        return payload

    def error(self, record: int, what: str) -> RecordError:
        """An error about one record, naming shard, record and byte offset."""
        last = self.spans[-1] if self.spans else Span(0, -FOOTER_BYTES, 0)
        at_end = last.offset + last.length + FOOTER_BYTES
        start = self.spans[record].offset - HEADER_BYTES if record < len(self.spans) else at_end
        return RecordError(self.path, record, start, what)

    def _check_kind(self) -> None:
        """Fail if the file is of another kind, which its first record then is not."""
        try:
            what = looks_like(self.file_bytes()[0:HEAD_BYTES])
        except OSError:
            return
        if what:
            raise DataError(f"{self.path}: not a TFRecord file: {what}")

    def _walk(self, buffer: FileBytes, skip: bool) -> list[Span]:
        self.spans = []
        position = 0
        while position < self.bytes:
            number = len(self.spans)
            try:
                span = read_span(buffer, position, skip)
            except FramingError as damage:
                if not position:
                    self._check_kind()
                what = f"{damage.what}{self._broken}: {MEND}"
                if not skip:
                    raise RecordError(self.path, number, position, what) from damage
                self.bad[number] = what
                if damage.span is None:
                    break
                span = damage.span
            self.spans.append(span)
            position = span.offset + span.length + FOOTER_BYTES
        self._note_missing(skip)
        return self.spans

    def _note_missing(self, skip: bool) -> None:
        missing = range(len(self.spans), len(self))
        if len(missing) > (_MAX_MISSING if skip else 0):
            raise DataError(f"{self.path}: {self._miscounted()}")
        if self._broken and not skip:
            raise DataError(f"{self.path}: damaged at its end{self._broken}: {MEND}")
        for record in missing:
            self.bad.setdefault(record, f"lies behind damage, or is missing{self._broken}: {MEND}")

    def _miscounted(self) -> str:
        found = len(self.spans)
        counts = f"holds {found} records, but its name says {len(self)}"
        return f"{counts} (up to byte {self.bytes}){self._broken}: {MEND}, or give it its own name back"


def _open_again(path: Path, opener: Callable[[], int]) -> int:
    return _open(path, opener)[0]


def _open(path: Path, opener: Callable[[], int]) -> tuple[int, str]:
    """The file, unpacked if it is gzip's, and what broke while it was unpacked."""
    file = opener()
    try:
        head = read_at(file, HEADER_BYTES, 0)
    except OSError as error:
        os.close(file)
        raise DataError(f"{path}: cannot be read at byte 0: {error.strerror}") from error
    # A record may well be as long as gzip's magic number says: its CRC tells.
    if not head.startswith(GZIP_MAGIC) or struct.pack("<I", masked_crc(head[:8])) == head[8:]:
        return file, ""
    with os.fdopen(file, "rb") as packed:
        return unzipped(packed, path)
