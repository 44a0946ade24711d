"""Pictures of a few colours, written as each kind of source."""

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tfrecord import example_pb2

from lightning_flowers.data.conversion import opening
from lightning_flowers.data.tfrecord.writer import frame

from ...conftest import jpeg

COLOURS = {"iris": (120, 60, 200), "lily": (230, 230, 220), "rose": (200, 30, 60)}
NAMES = tuple(COLOURS)


class Petal(NamedTuple):
    image: bytes
    name: str
    split: str


def petals() -> list[Petal]:
    """Of each class four pictures for train, two for validation."""
    shades = [(name, np.array(colour) - 4 * shade) for name, colour in COLOURS.items() for shade in range(6)]
    pictures = [(name, np.full((20, 20, 3), np.clip(colour, 0, 255), np.uint8)) for name, colour in shades]
    return [
        Petal(jpeg(pixels), name, "validation" if number % 3 == 2 else "train")
        for number, (name, pixels) in enumerate(pictures)
    ]


def write_folders(root: Path) -> Path:
    for number, one in enumerate(petals()):
        path = root / one.split / one.name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.image)
    return root


def write_csv(root: Path) -> Path:
    root.mkdir()
    rows = [(f"{number}.jpg", one.name, one.split) for number, one in enumerate(petals())]
    for (name, *_), one in zip(rows, petals(), strict=True):
        (root / name).write_bytes(one.image)
    with (root / "labels.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([("filename", "species", "set"), *rows])
    return root / "labels.csv"


def write_tfrecords(root: Path, features: tuple[str, str] = ("image/encoded", "image/class/label")) -> Path:
    root.mkdir()
    (root / "classes.txt").write_text("\n".join(NAMES))
    for split in ("train", "validation"):
        rows = [one for one in petals() if one.split == split]
        records = [example(**{features[0]: one.image, features[1]: NAMES.index(one.name)}) for one in rows]
        (root / f"{split}-00000-of-00001").write_bytes(b"".join(map(frame, records)))
    return root


def example(**features: Any) -> bytes:
    """A tf.train.Example of bytes and whole numbers."""
    message: Any = example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
    for name, value in features.items():
        kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(value)]
        getattr(message.features.feature[name], kind).value.append(value)
    return message.SerializeToString()


def write_tars(root: Path, kind: str = "cls") -> Path:
    root.mkdir()
    told = {"cls": str, "txt": str, "json": lambda name: json.dumps({"label": name})}
    for split in ("train", "validation"):
        with tarfile.open(root / f"{split}-0.tar", "w") as tar:
            for number, one in enumerate(petals()):
                if one.split == split:
                    add(tar, f"{number:03d}.jpg", one.image)
                    if kind:
                        add(tar, f"{number:03d}.{kind}", told[kind](one.name).encode())
    return root


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_parquet(root: Path) -> Path:
    (root / "data").mkdir(parents=True)
    described = {"image": {"_type": "Image"}, "kind": {"_type": "ClassLabel", "names": list(NAMES)}}
    for split in ("train", "validation"):
        rows = [one for one in petals() if one.split == split]
        pictures = pa.array([{"bytes": one.image, "path": None} for one in rows])
        table = pa.table({"image": pictures, "kind": [NAMES.index(one.name) for one in rows]})
        metadata = {"huggingface": json.dumps({"info": {"features": described}})}
        path = root / "data" / f"{split}-00000-of-00001.parquet"
        parquet.write_table(table.replace_schema_metadata(metadata), path, row_group_size=2)
    return root


WRITERS: dict[str, Callable[[Path], Path]] = {
    "folders": write_folders,
    "csv": write_csv,
    "tfrecords": write_tfrecords,
    "tars": write_tars,
    "tars with json": lambda root: write_tars(root, "json"),
    "tars with txt": lambda root: write_tars(root, "txt"),
    "parquet": write_parquet,
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where conversions are kept."""
    monkeypatch.setattr(opening.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    return tmp_path / "cache" / "converted"
