"""Pictures in TFRecords of any file and feature names, such as image/encoded and image/class/label."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lightning_flowers.data.conversion.inputs import Input
from lightning_flowers.data.conversion.names import Features, find_name, split_in
from lightning_flowers.data.conversion.tars import read_part
from lightning_flowers.data.tfrecord.example import Feature, Kind, one_value, read_example
from lightning_flowers.data.tfrecord.file_bytes import Descriptor, FileBytes
from lightning_flowers.data.tfrecord.framing import Span, masked_crc, read_span
from lightning_flowers.errors import RecordError
from lightning_flowers.files import open_file

_KINDS: dict[str, tuple[Kind, ...]] = {"image": ("bytes",), "label": ("int64", "bytes"), "id": ("bytes",)}


def starts_as_tfrecord(file: Path) -> bool:
    """Whether a file begins as TFRecords do: with a length and the CRC of it."""
    with file.open("rb") as opened:
        head = opened.read(12)
    return len(head) == 12 and masked_crc(head[:8]).to_bytes(4, "little") == head[8:]


def read_tfrecord(base: Path, file: Path, features: Features) -> Iterator[Input]:
    """The pictures of a TFRecord file, which are read where they lie in it; each record's CRC is checked then.

    Args:
        base: the folder that the file's name starts from.
        file: not packed.
        features: of the records, where image, label and id have other than the usual names.

    Raises:
        DataError: it is damaged, or lacks a feature (those that are there are listed), or one is of a wrong kind.
    """
    name = file.relative_to(base).as_posix()
    buffer = FileBytes(Descriptor(open_file(file)), file.stat().st_size)
    position = number = 0
    while position < len(buffer):
        try:
            span = read_span(buffer, position)
            found = read_example(buffer, span.offset, span.offset + span.length)
            yield _picture(buffer, span, found, features, file, f"{name}/{number:06d}")
        except (ValueError, OSError) as error:
            raise RecordError(file, number, position, str(error)) from error
        position, number = span.end, number + 1


def _picture(
    buffer: FileBytes, span: Span, found: dict[str, Feature], features: Features, file: Path, path: str
) -> Input:
    """One record's picture, named `path`.

    Raises:
        ValueError: a feature is of a wrong kind, or has several values.
    """
    split, what = split_in(path), f"{file}: features"
    names = {
        role: find_name(role, found, features, what, role == "image" or (role == "label" and split != "test"))
        for role in _KINDS
    }
    one = {role: one_value(name, found[name], _KINDS[role]) for role, name in names.items() if name}
    start, stop = one["image"].spans[0]
    texts = [role for role, feature in one.items() if feature.spans and role != "image"]
    text = {role: bytes(buffer[slice(*one[role].spans[0])]).decode("utf-8") for role in texts}
    label = one["label"].ints[0] if "label" in one and one["label"].ints else text.get("label")
    read = partial(_read_checked, file, span, start - span.offset, stop - span.offset)
    return Input(path, file, split, text.get("id"), read, label)


def _read_checked(file: Path, span: Span, start: int, stop: int) -> bytes:
    payload = read_part(file, span.offset, span.length)
    if masked_crc(payload) != span.crc:
        raise OSError("the record does not match its CRC: fetch the file again")
    return payload[start:stop]
