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


class Span(NamedTuple):
    """Where one record's payload lies in its shard, in bytes, and the CRC that is stored behind it."""

    offset: int
    length: int
    crc: int

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + self.length + FOOTER_BYTES


def masked_crc(data: memoryview | bytes) -> int:
    """CRC-32C of `data`, rotated and offset so that CRCs of data holding CRCs stay strong, as TFRecord stores it."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_span(buffer: FileBytes, position: int) -> Span:
    """Find the record that starts at `position`; nothing of its payload is read.

    Raises:
        ValueError: it is damaged or cut, or cannot be read.
    """
    left = len(buffer) - position
    if left < HEADER_BYTES:
        raise ValueError("the file is cut inside the length")
    try:
        header = buffer[position : position + HEADER_BYTES]
        length, stored = struct.unpack("<QI", header)
        if stored != masked_crc(header[:8]):
            begun = f" (the file begins with {bytes(buffer[:24])!r}: a TFRecord, unpacked?)" if not position else ""
            raise ValueError(f"the length does not match its CRC{begun}")
        if left < HEADER_BYTES + length + FOOTER_BYTES:
            raise ValueError(f"the record claims {length} bytes but the file is cut after {left - HEADER_BYTES}")
        start = position + HEADER_BYTES
        (crc,) = struct.unpack("<I", buffer[start + length : start + length + FOOTER_BYTES])
        return Span(start, length, crc)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
