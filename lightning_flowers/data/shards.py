"""One TFRecord shard: its name, its framing, and checked access to its records.

A shard is a sequence of records, each `length (uint64) | CRC of length (uint32) | payload | CRC of payload (uint32)`,
little-endian, CRC-32C masked as in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/hash/crc32c.h.
"""

import mmap
import os
import re
import stat
import struct
import weakref
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from lightning_flowers.errors import DataError

HEADER_BYTES = 12
FOOTER_BYTES = 4
_NAME = re.compile(r"(?P<number>\d+)-(?P<size>\d+)x(?P=size)-(?P<count>\d+)\.tfrec")
_MEND = "fetch the shard again"


class ShardName(NamedTuple):
    """What a shard's name `NN-SxS-COUNT.tfrec` says of it."""

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
    """Where one record's payload lies in its shard, in bytes."""

    offset: int
    length: int


class Shard:
    """A memory-mapped shard whose framing was walked once: every length CRC checked, no payload read.

    Args:
        path: a file named `NN-SxS-COUNT.tfrec`.

    Raises:
        DataError: the name has another form; the file is cut or damaged; it holds another number of records than its
            name says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = ShardName.parse(path)
        self._file = _open(path)
        weakref.finalize(self, os.close, self._file)
        self.bytes = os.fstat(self._file).st_size
        # An empty file cannot be mapped.
        self.buffer = memoryview(mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) if self.bytes else b"")
        self.spans = self._walk()
        if len(self.spans) != self.name.records:
            raise DataError(
                f"{path}: holds {len(self.spans)} records, but its name says {self.name.records}: {_MEND}, "
                "or give it its own name back"
            )

    def __len__(self) -> int:
        return len(self.spans)

    def payload(self, record: int) -> memoryview:
        """The payload of one record, its CRC checked.

        Raises:
            DataError: the payload does not match its CRC, or the file has changed since it was opened.
        """
        if os.fstat(self._file).st_size != self.bytes:  # reading a cut mapping would kill the process (SIGBUS)
            raise DataError(f"{self.path}: its size changed while it was being read: do not write to data in use")
        offset, length = self.spans[record]
        payload = self.buffer[offset : offset + length]
        (stored,) = struct.unpack_from("<I", self.buffer, offset + length)
        if stored != masked_crc(payload):
            raise self.error(record, f"the payload does not match its CRC: {_MEND}")
        return payload

    def error(self, record: int, what: str) -> DataError:
        """A DataError about one record, naming shard, record and byte offset."""
        start = self.spans[record].offset - HEADER_BYTES
        return _record_error(self.path, record, start, what)

    def _walk(self) -> list[Span]:
        spans: list[Span] = []
        position = 0
        while position < self.bytes:
            length = self._read_length(len(spans), position)
            spans.append(Span(position + HEADER_BYTES, length))
            position += HEADER_BYTES + length + FOOTER_BYTES
        return spans

    def _read_length(self, record: int, position: int) -> int:
        left = self.bytes - position
        if left < HEADER_BYTES:
            raise _record_error(self.path, record, position, f"the file is cut inside the length: {_MEND}")
        length, stored = struct.unpack_from("<QI", self.buffer, position)
        if stored != masked_crc(self.buffer[position : position + 8]):
            raise _record_error(self.path, record, position, f"the length does not match its CRC: {_MEND}")
        if left < HEADER_BYTES + length + FOOTER_BYTES:
            what = f"the record claims {length} bytes but the file is cut after {left - HEADER_BYTES}: {_MEND}"
            raise _record_error(self.path, record, position, what)
        return length


def masked_crc(data: memoryview | bytes) -> int:
    """CRC-32C of `data`, rotated and offset so that CRCs of data holding CRCs stay strong, as TFRecord stores it."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _open(path: Path) -> int:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: cannot be read: not a file")
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _record_error(path: Path, record: int, offset: int, what: str) -> DataError:
    return DataError(f"{path}: record {record} at byte {offset}: {what}")
