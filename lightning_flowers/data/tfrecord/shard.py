"""One TFRecord shard: its name, and checked access to its records."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.tfrecord.file_bytes import Descriptor, FileBytes
from lightning_flowers.data.tfrecord.framing import HEADER_BYTES, Span, masked_crc, read_span
from lightning_flowers.errors import DataError, RecordError
from lightning_flowers.files import open_file
from lightning_flowers.portable import open_many_files, read_at

MEND = "fetch the shard again"
# A count of more digits is a slip, and would claim as much memory.
_NAME = re.compile(r"(?P<number>\d{1,20})-(?P<size>\d{1,6})x(?P=size)-(?P<count>\d{1,6})\.tfrec", re.ASCII)

open_many_files()  # a shard stays open


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
            mend = "unpack it (gunzip)" if path.suffix == ".gz" else "give it its own name"
            raise DataError(f"{path}: not named NN-SxS-COUNT.tfrec (such as 00-224x224-798.tfrec): {mend}")
        return cls(*(int(match[group]) for group in ("number", "size", "count")))

    def __str__(self) -> str:
        return f"{self.number:02d}-{self.size}x{self.size}-{self.records}.tfrec"


class Shard:
    """A shard whose framing was walked once: every length and its CRC checked, no payload read.

    A file that was replaced or deleted while it is open is read on. Records are read with `pread`, not from a mapping:
    a file that somebody cuts while it is in use is then an error, where a mapping would kill the process (SIGBUS).

    Args:
        path: a file named `NN-SxS-COUNT.tfrec`.
        skip: keep damaged records in `bad` in place of failing.

    Attributes:
        bytes: size in bytes.
        spans: of each record that was found.
        bad: why a record cannot be read, by its number; empty unless `skip`.

    Raises:
        DataError: the name has another form; the file cannot be read; without `skip`, it is cut or damaged, or it holds
            fewer records than its name says; with or without, it holds more.
    """

    def __init__(self, path: Path, skip: bool = False) -> None:
        self.path = path
        self.name = ShardName.parse(path)
        self.bad: dict[int, str] = {}
        self._file = Descriptor(open_file(path))
        self.bytes = os.fstat(self._file.number).st_size
        self.spans: list[Span] = []
        self._walk(skip)

    def __len__(self) -> int:
        """The number of records that the name states."""
        return self.name.records

    def file_bytes(self) -> FileBytes:
        """The whole file, to look at a few bytes here and there without reading the rest."""
        return FileBytes(self._file, self.bytes)

    def payload(self, record: int) -> bytes:
        """The payload of one record, its CRC checked.

        Raises:
            DataError: the record is damaged, or the file was changed or cut since it was opened.
        """
        if record in self.bad:
            raise self.error(record, self.bad[record])
        offset, length, stored = self.spans[record]
        try:
            payload = read_at(self._file.number, length, offset)
        except OSError as error:
            raise self.error(record, f"cannot be read: {error.strerror}") from error
        if masked_crc(payload) != stored:
            raise self.error(record, f"the payload does not match its CRC: {MEND}")
        return payload

    def error(self, record: int, what: str) -> RecordError:
        """An error about one record, naming shard, record and byte offset."""
        at_end = self.spans[-1].end if self.spans else 0
        start = self.spans[record].offset - HEADER_BYTES if record < len(self.spans) else at_end
        return RecordError(self.path, record, start, what)

    def _walk(self, skip: bool) -> None:
        buffer, position = self.file_bytes(), 0
        while position < self.bytes:
            try:
                self.spans.append(read_span(buffer, position))
            except ValueError as damage:
                if not skip:
                    raise self.error(len(self.spans), f"{damage}: {MEND}") from damage
                self.bad[len(self.spans)] = f"{damage}: {MEND}"
                break
            position = self.spans[-1].end
        if len(self.spans) > len(self) or (len(self.spans) < len(self) and not skip):
            raise DataError(
                f"{self.path}: holds {len(self.spans)} records, but its name says {len(self)} (up to byte "
                f"{self.bytes}): {MEND}, or give it its own name back"
            )
        for record in range(len(self.spans), len(self)):
            self.bad.setdefault(record, f"lies behind damage, or is missing: {MEND}")
