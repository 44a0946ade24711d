"""Writes the shards of a plan that are not there yet."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from lightning_flowers.data.photograph import PictureError
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError
from lightning_flowers.files import whole_file
from lightning_flowers.parallel import in_order
from lightning_flowers.records.convert.manifest import Settings
from lightning_flowers.records.convert.picture import render
from lightning_flowers.records.convert.plan import Planned, PlannedShard
from lightning_flowers.records.text import bar


def count_missing(planned: Sequence[PlannedShard], folder: Path, sizes: Sequence[int]) -> int:
    """How many files are still to be written."""
    return sum(len(_missing(one, folder, sizes)) for one in planned)


def write_missing(planned: Sequence[PlannedShard], folder: Path, base: Path, settings: Settings) -> None:
    """Write the shards that are not there; each gets its name once it is whole.

    Raises:
        DataError: a picture cannot be read any more.
    """
    missing = [(one, sizes) for one in planned if (sizes := _missing(one, folder, settings.sizes))]
    with bar(sum(len(one.pictures) for one, _ in missing), "converting", "picture") as progress:
        for one, sizes in missing:
            paths = [one.path(folder, size) for size in sizes]
            _write(one, paths, partial(_render, base, sizes, settings), progress.update)


def _missing(one: PlannedShard, folder: Path, sizes: Sequence[int]) -> list[int]:
    return [size for size in sizes if not one.path(folder, size).exists()]


def _write(
    one: PlannedShard,
    paths: Sequence[Path],
    render_all: Callable[[Planned], list[bytes]],
    done: Callable[[], object],
) -> None:
    """Write a shard in all its sizes at once, a picture at a time: each is decoded once, and memory stays small."""
    with ExitStack() as stack:
        parts = [stack.enter_context(whole_file(path)) for path in paths]
        files = [stack.enter_context(part.open("wb")) for part in parts]
        for picture, images in zip(one.pictures, in_order(render_all, one.pictures), strict=True):
            label = None if one.split == "test" else picture.label
            for file, image in zip(files, images, strict=True):
                file.write(frame(serialize(Record(image, label, picture.id))))
            done()


def _render(base: Path, sizes: Sequence[int], settings: Settings, picture: Planned) -> list[bytes]:
    try:
        return render(base / picture.path, sizes, max(settings.sizes), settings.shape, settings.quality)
    except PictureError as error:
        raise DataError(
            f"{base / picture.path}: {error}: it was changed since it was checked: put it back, or begin another --out"
        ) from error
