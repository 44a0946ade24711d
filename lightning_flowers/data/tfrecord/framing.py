"""How TFRecord files frame their records.

Each is `length (uint64) | CRC of length (uint32) | payload | CRC of payload (uint32)`, little-endian, CRC-32C masked as
in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/hash/crc32c.h.
"""

import struct
from typing import NamedTuple

from crc32c import crc32c

from lightning_flowers.data.tfrecord.file_bytes import FileBytes

HEADER_BYTES = 12
FOOTER_BYTES = 4
_PIECE = 1 << 20


class Span(NamedTuple):
    """Where one record's payload lies in its shard, in bytes, and the CRC that is stored behind it."""

    offset: int
    length: int
    crc: int


class FramingError(Exception):
    """What is wrong with a record's framing; `span` where the record after it can be reached all the same."""

    def __init__(self, what: str, span: Span | None = None) -> None:
        super().__init__(what)
        self.what, self.span = what, span


def masked_crc(data: memoryview | bytes) -> int:
    """CRC-32C of `data`, rotated and offset so that CRCs of data holding CRCs stay strong, as TFRecord stores it."""
    return _masked(crc32c(data))


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_span(buffer: FileBytes, position: int, skip: bool) -> Span:
    """Find the record that starts at `position`; nothing of its payload is read.

    Raises:
        FramingError: it is damaged or cut. If `skip`, the payload is read where the length does not match its CRC, as
            the payload's own CRC may vouch for the length.
    """
    left = len(buffer) - position
    if left < HEADER_BYTES:
        raise FramingError("the file is cut inside the length")
    try:
        header = buffer[position : position + HEADER_BYTES]
        length, stored = struct.unpack("<QI", header)
        start = position + HEADER_BYTES
        fits = left >= HEADER_BYTES + length + FOOTER_BYTES
        if stored != masked_crc(header[:8]):
            sound = skip and fits and _crc_of(buffer, start, length) == _stored(buffer, start + length)
            span = Span(start, length, _stored(buffer, start + length)) if sound else None
            raise FramingError("the length does not match its CRC", span)
        if not fits:
            raise FramingError(f"the record claims {length} bytes but the file is cut after {left - HEADER_BYTES}")
        return Span(start, length, _stored(buffer, start + length))
    except OSError as error:
        raise FramingError(f"cannot be read ({error.strerror})") from error


def _crc_of(buffer: FileBytes, start: int, length: int) -> int:
    crc = 0
    for at in range(start, start + length, _PIECE):  # a wrong length may claim gigabytes
        crc = crc32c(buffer[at : min(at + _PIECE, start + length)], crc)
    return _masked(crc)


def _stored(buffer: FileBytes, at: int) -> int:
    return struct.unpack("<I", buffer[at : at + FOOTER_BYTES])[0]
