"""What tests of the data room share: shards of any records, framed without the writer under test."""

import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lightning_flowers.data.tfrecord.shard import masked_crc


@pytest.fixture(scope="session")
def frame() -> Callable[[Iterable[bytes]], bytes]:
    """The bytes of a shard of these payloads."""
    return _frame


@pytest.fixture
def write_records() -> Callable[[Path, Iterable[bytes]], Path]:
    """Write payloads as a shard, whatever they and its name say: `write_records(path, payloads)`."""

    def write(path: Path, payloads: Iterable[bytes]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_frame(payloads))
        return path

    return write


def _frame(payloads: Iterable[bytes]) -> bytes:
    return b"".join(_frame_one(payload) for payload in payloads)


def _frame_one(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked_crc(length)) + payload + struct.pack("<I", masked_crc(payload))
