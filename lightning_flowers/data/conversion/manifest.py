"""What a conversion was begun with, so that a rerun goes on with the same or not at all."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lightning_flowers.data.conversion.inputs import Input, Inputs, list_labels
from lightning_flowers.data.photograph import Shape
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text

NAME = "convert.json"
LOCK = ".convert.lock"
_FORMAT = 1  # of the plan as much as of the file: another plan must not go on with shards of this one


@dataclass(frozen=True)
class Settings:
    """What the shards' bytes depend on beside the pictures."""

    sizes: list[int]
    shape: Shape
    quality: int
    shards: int
    val_fraction: float | None
    test_fraction: float
    seed: int
    skip_bad: bool


@dataclass(frozen=True)
class Manifest:
    """A conversion.

    Attributes:
        inputs: of each picture, what was given, its size in bytes and its time of change in nanoseconds.
        found: of each picture, its width and height, or why it cannot be used.
    """

    settings: Settings
    classes: list[str]
    inputs: list[list[Any]]
    found: list[list[int] | str]

    def pictures(self) -> list[Input]:
        """Those that can be used."""
        return [
            Input(*given[:4])
            for given, found in zip(self.inputs, self.found, strict=True)
            if not isinstance(found, str)
        ]

    def bad(self) -> list[tuple[str, str]]:
        """Those that cannot, and why."""
        return [(given[0], why) for given, why in zip(self.inputs, self.found, strict=True) if isinstance(why, str)]

    def count_smaller(self, size: int) -> int:
        """How many of those that can be used are smaller, in width or height, than `size` pixels."""
        return sum(min(found) < size for found in self.found if not isinstance(found, str))

    def save(self, out: Path) -> None:
        """Write it; from then on the folder is ours."""
        write_text(out / NAME, json.dumps({"format": _FORMAT} | asdict(self)))


def describe_inputs(inputs: Inputs) -> list[list[Any]]:
    """The pictures as a manifest holds them.

    Raises:
        UserError: one is not there.
    """
    rows = []
    stat = cache(Path.stat)  # a file may hold many pictures
    for one in inputs.pictures:
        place = inputs.places.get(one.path)
        file = inputs.base / one.path if place is None else place.file
        try:
            status = stat(file)
        except OSError as error:
            raise UserError(f"{file}: cannot be read: {error.strerror}") from error
        rows.append([*one, place.size if place else status.st_size, status.st_mtime_ns])
    return rows


def begun(out: Path, settings: Settings, classes: Sequence[str], inputs: list[list[Any]]) -> Manifest | None:
    """The conversion that was begun in `out` with just these settings and pictures, if one was.

    Raises:
        UserError: it was begun with others, or the folder holds something else.
    """
    if not (out / NAME).is_file():
        foreign = sorted(path.name for path in out.iterdir() if path.name[0] != ".") if out.is_dir() else []
        if foreign:
            raise UserError(f"--out={out}: holds {foreign[0]} but no conversion of ours: choose a folder of its own")
        return None
    manifest = _load(out / NAME)
    what = _difference(manifest, settings, list(classes), inputs)
    if what:
        raise UserError(f"--out={out}: was begun with other input: {what}: choose another folder, or delete this one")
    return manifest


def _load(path: Path) -> Manifest:
    try:
        content = json.loads(path.read_text("utf-8"))
        if content.pop("format") != _FORMAT:
            raise ValueError("it is of another version")
        return Manifest(Settings(**content.pop("settings")), **content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read: {error}: choose another --out, or delete this one") from error


def _difference(manifest: Manifest, settings: Settings, classes: list[str], inputs: list[list[Any]]) -> str:
    before, now = asdict(manifest.settings), asdict(settings)
    for name, value in now.items():
        if before[name] != value:
            return f"--{name} was {before[name]}, now {value}"
    if manifest.classes != classes:
        return f"its labels were {list_labels(manifest.classes)}, now {list_labels(classes)}"
    known, given = ({row[0]: row for row in rows} for rows in (manifest.inputs, inputs))
    for path in sorted(known.keys() | given.keys()):
        if known.get(path) != given.get(path):
            verb = "is gone" if path not in given else "is new" if path not in known else "was changed"
            return f"{path} {verb}"
    return ""
