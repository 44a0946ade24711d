"""One TFRecord shard: its name, its framing, and checked access to its records.

A shard is a sequence of records, each `length (uint64) | CRC of length (uint32) | payload | CRC of payload (uint32)`,
little-endian, CRC-32C masked as in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/hash/crc32c.h.
"""

import mmap
import os
import re
import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from lightning_flowers.data.gzipped import GZIP_MAGIC, unzipped
from lightning_flowers.errors import DataError, RecordError
from lightning_flowers.files import open_file

HEADER_BYTES = 12
FOOTER_BYTES = 4
MEND = "fetch the shard again"
_NAME = re.compile(r"(?P<number>\d+)-(?P<size>\d+)x(?P=size)-(?P<count>\d+)\.tfrec(?:\.gz)?")


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


class Span(NamedTuple):
    """Where one record's payload lies in its shard, in bytes, and the CRC that is stored behind it."""

    offset: int
    length: int
    crc: int


class Shard:
    """A shard whose framing was walked once: every length and its CRC checked, no payload read.

    A gzip file is unpacked to a nameless temporary file first. Records are read with `pread`, not from a mapping: a
    file that somebody cuts while it is in use is then an error, where a mapping would kill the process (SIGBUS).

    Args:
        path: a file named `NN-SxS-COUNT.tfrec`.
        skip: keep damaged records in `bad` in place of failing.
        evictable: the file lies in a cache that may delete it; an open one is read on all the same.

    Attributes:
        bytes: size in bytes, unpacked.
        spans: of each record that was found.
        bad: why a record cannot be read, by its number; empty unless `skip`.

    Raises:
        DataError: the name has another form; the file cannot be read; without `skip`, it is cut or damaged, or it holds
            fewer records than its name says; with or without, it holds more.
    """

    def __init__(self, path: Path, skip: bool = False, evictable: bool = False) -> None:
        self.path, self._evictable = path, evictable
        self.name = ShardName.parse(path)
        self.bad: dict[int, str] = {}
        self._file, self._broken = _open(path)
        weakref.finalize(self, os.close, self._file)
        self._state = _state(self._file)
        self.bytes = self._state[0]
        with self.mapped() as buffer:
            self.spans = self._walk(buffer, skip)
        if len(self.spans) > self.name.records:
            raise DataError(f"{path}: {self._miscounted()}")

    def __len__(self) -> int:
        """The number of records that the name states."""
        return self.name.records

    @contextmanager
    def mapped(self) -> Iterator[memoryview]:
        """The whole file as memory, to look at a few bytes here and there without reading the rest."""
        if not self.bytes:  # an empty file cannot be mapped
            yield memoryview(b"")
            return
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as mapping, memoryview(mapping) as buffer:
            yield buffer

    def payload(self, record: int) -> bytes:
        """The payload of one record, its CRC checked.

        Raises:
            DataError: the record is damaged, or the file was changed or cut since it was opened.
        """
        if record in self.bad:
            raise self.error(record, self.bad[record])
        offset, length, stored = self.spans[record]
        try:
            payload = os.pread(self._file, length, offset)
        except OSError as error:
            raise self.error(record, f"cannot be read: {error.strerror}") from error
        if _state(self._file) != self._state and not self._evictable:
            raise self.error(record, "the file was changed, replaced or deleted while it was in use: start again")
        if masked_crc(payload) != stored:
            raise self.error(record, f"the payload does not match its CRC: {MEND}")
        return payload

    def error(self, record: int, what: str) -> RecordError:
        """An error about one record, naming shard, record and byte offset."""
        last = self.spans[-1] if self.spans else Span(0, -FOOTER_BYTES, 0)
        at_end = last.offset + last.length + FOOTER_BYTES
        start = self.spans[record].offset - HEADER_BYTES if record < len(self.spans) else at_end
        return RecordError(self.path, record, start, what)

    def _walk(self, buffer: memoryview, skip: bool) -> list[Span]:
        self.spans = []
        position = 0
        while position < self.bytes:
            number = len(self.spans)
            try:
                span = _read_span(buffer, position)
            except _Damage as damage:
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
        if missing and not skip:
            raise DataError(f"{self.path}: {self._miscounted()}")
        if self._broken and not skip:
            raise DataError(f"{self.path}: damaged at its end{self._broken}: {MEND}")
        for record in missing:
            self.bad.setdefault(record, f"lies behind damage, or is missing{self._broken}: {MEND}")

    def _miscounted(self) -> str:
        found = len(self.spans)
        counts = f"holds {found} records, but its name says {len(self)}"
        return f"{counts} (up to byte {self.bytes}){self._broken}: {MEND}, or give it its own name back"


class _Damage(Exception):
    """What is wrong with a record's framing; `span` where the record after it can be reached all the same."""

    def __init__(self, what: str, span: Span | None = None) -> None:
        super().__init__(what)
        self.what, self.span = what, span


def masked_crc(data: memoryview | bytes) -> int:
    """CRC-32C of `data`, rotated and offset so that CRCs of data holding CRCs stay strong, as TFRecord stores it."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _read_span(buffer: memoryview, position: int) -> Span:
    left = len(buffer) - position
    if left < HEADER_BYTES:
        raise _Damage("the file is cut inside the length")
    length, stored = struct.unpack_from("<QI", buffer, position)
    fits = left >= HEADER_BYTES + length + FOOTER_BYTES
    good = stored == masked_crc(buffer[position : position + 8])
    if good and not fits:
        raise _Damage(f"the record claims {length} bytes but the file is cut after {left - HEADER_BYTES}")
    start = position + HEADER_BYTES
    span = Span(start, length, struct.unpack_from("<I", buffer, start + length)[0]) if fits else None
    if not good:  # where the payload's own CRC vouches for the length, the records behind it can still be reached
        sound = span is not None and masked_crc(buffer[start : start + length]) == span.crc
        raise _Damage("the length does not match its CRC", span if sound else None)
    assert span is not None
    return span


def _open(path: Path) -> tuple[int, str]:
    """The file, unpacked if it is gzip's, and what broke while it was unpacked."""
    file = open_file(path)
    head = os.pread(file, HEADER_BYTES, 0)
    # A record may well be as long as gzip's magic number says: its CRC tells.
    if not head.startswith(GZIP_MAGIC) or struct.pack("<I", masked_crc(head[:8])) == head[8:]:
        return file, ""
    with os.fdopen(file, "rb") as packed:
        return unzipped(packed, path)


def _state(file: int) -> tuple[int, bool]:
    """What tells that a file is still the one that was opened: its size, and whether it still has a name."""
    status = os.fstat(file)
    return status.st_size, status.st_nlink > 0
