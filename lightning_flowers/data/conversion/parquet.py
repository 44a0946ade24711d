"""Pictures in Parquet files, as Hugging Face's datasets are: a column of {bytes, path}, and one of labels."""

import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Lock
from typing import Any

from lightning_flowers.data.conversion.inputs import Input
from lightning_flowers.data.conversion.names import Features, find_name, split_in
from lightning_flowers.errors import DataError, UserError

_ROWS = 64  # pictures that are unpacked at a time


def read_parquet(base: Path, path: Path, features: Features) -> tuple[list[Input], Sequence[str] | None]:
    """The pictures of a Parquet file, and its classes if a ClassLabel names them; all are unpacked, onto the disk, when
    the first is asked for.

    Args:
        base: the folder that the file's name starts from.
        features: of the columns, where image, label and id have other than the usual names.

    Raises:
        UserError: pyarrow is not installed.
        DataError: it cannot be read, or has no column of pictures or labels (those that are there are listed).
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise UserError(f"{path}: Parquet needs pyarrow: pip install 'lightning_flowers[parquet]'") from error
    try:
        return _read_file(parquet.ParquetFile(path), path, path.relative_to(base).as_posix(), features)
    except (ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from error


def _read_file(file: Any, path: Path, name: str, features: Features) -> tuple[list[Input], Sequence[str] | None]:
    schema, split, what = file.schema_arrow, split_in(name), f"{path}: columns"
    described = _described(schema)
    image = features.get("image") or next((key for key in schema.names if _holds_pictures(schema.field(key))), None)
    image = find_name("image", schema.names, {} if image is None else {"image": image}, what)
    assert image is not None
    if not _holds_pictures(schema.field(image)):
        raise DataError(f"{path}: the column {image!r} is {schema.field(image).type}, not {{bytes, path}} or binary")
    labels = [key for key in schema.names if described.get(key, {}).get("_type") == "ClassLabel"]
    asked = features if "label" in features or len(labels) != 1 else {**features, "label": labels[0]}
    label = find_name("label", schema.names, asked, what, needed=split != "test")
    identity = find_name("id", schema.names, features, what, needed=False)
    wanted = [column for column in (label, identity) if column]
    rows = file.read(columns=wanted).to_pydict() if wanted else {}
    for column in wanted:
        if wrong := next((cell for cell in rows[column] if not isinstance(cell, int | str | None)), None):
            raise DataError(f"{path}: the column {column!r} holds {type(wrong).__name__}s, not whole numbers or names")
    names = described.get(label, {}).get("names")
    read = _row_reader(file, image)
    found = [
        Input(
            f"{name}/{row:07d}",
            path,
            split,
            str(rows[identity][row]) if identity else None,
            partial(read, row),
            _name(rows[label][row], names) if label else None,
        )
        for row in range(file.metadata.num_rows)
    ]
    return found, names


def _described(schema: Any) -> dict[Any, Any]:
    """What datasets' own metadata say of the columns; empty where there are none."""
    try:
        return json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}


def _holds_pictures(field: Any) -> bool:
    from pyarrow import types

    kinds = {one.name: one.type for one in field.type} if types.is_struct(field.type) else {"bytes": field.type}
    return str(kinds.get("bytes")) in ("binary", "large_binary")


def _name(label: str | int | None, names: Sequence[str] | None) -> str | int | None:
    return names[label] if names and isinstance(label, int) and 0 <= label < len(names) else label


def _row_reader(file: Any, column: str) -> Callable[[int], bytes]:
    """Reads the bytes of one row's picture, empty where it has none. A page of Parquet can be read as a whole only, and
    shards take pictures from everywhere: all are unpacked with the first."""
    unpacked: list[Any] = []
    lock = Lock()

    def read(row: int) -> bytes:
        with lock:
            if not unpacked:
                unpacked.append(_unpack(file, column))
        cell = unpacked[0][row].as_py()
        return (cell.get("bytes") if isinstance(cell, dict) else cell) or b""

    return read


def _unpack(file: Any, column: str) -> Any:
    """A column, in a nameless temporary file that is mapped: data sets may be larger than the memory is."""
    import pyarrow as pa

    with tempfile.TemporaryFile() as copy:
        with pa.ipc.new_file(copy, pa.schema([file.schema_arrow.field(column)])) as writer:
            for batch in file.iter_batches(_ROWS, columns=[column]):
                writer.write_batch(batch)
        copy.flush()
        return pa.ipc.open_file(pa.py_buffer(mmap(copy.fileno(), 0, access=ACCESS_READ))).read_all().column(0)
