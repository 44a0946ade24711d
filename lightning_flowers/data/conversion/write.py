"""Writes what is not there yet: the shards of a plan, and the small files beside them."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import simplejpeg

from lightning_flowers.data.conversion.inputs import Inputs, bar
from lightning_flowers.data.conversion.manifest import Manifest, Settings
from lightning_flowers.data.conversion.plan import Planned, PlannedShard
from lightning_flowers.data.photograph import PictureError, squares
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError
from lightning_flowers.files import atomic_file, csv_text, write_text
from lightning_flowers.parallel import in_order


def missing_sizes(one: PlannedShard, folder: Path, sizes: Sequence[int]) -> list[int]:
    """The sizes in which a shard is still to be written."""
    return [size for size in sizes if not one.path(folder, size).exists()]


def write_missing(planned: Sequence[PlannedShard], folder: Path, inputs: Inputs, settings: Settings) -> None:
    """Write the shards that are not there; each gets its name once it is whole.

    Raises:
        DataError: a picture cannot be read any more.
    """
    missing = [(one, sizes) for one in planned if (sizes := missing_sizes(one, folder, settings.sizes))]
    with bar(sum(len(one.pictures) for one, _ in missing), "converting") as progress:
        for one, sizes in missing:
            # In all its sizes at once, a picture at a time: each is decoded once, and memory stays small.
            with ExitStack() as stack:
                parts = [stack.enter_context(atomic_file(one.path(folder, size))) for size in sizes]
                files = [stack.enter_context(part.open("wb")) for part in parts]
                rendered = in_order(
                    lambda picture, sizes=sizes: _render(inputs, picture, sizes, settings), one.pictures
                )
                for picture, images in zip(one.pictures, rendered, strict=True):
                    label = None if one.split == "test" else picture.label
                    for file, image in zip(files, images, strict=True):
                        file.write(frame(serialize(Record(image, label, picture.id))))
                    progress.update()


def _render(inputs: Inputs, picture: Planned, sizes: Sequence[int], settings: Settings) -> list[bytes]:
    try:
        return render(inputs.read(picture.path), sizes, settings)
    except PictureError as error:
        raise DataError(
            f"{inputs.base / picture.path}: {error}: changed since it was checked: put it back, or convert anew"
        ) from error


def render(file: Path | bytes, sizes: Sequence[int], settings: Settings) -> list[bytes]:
    """A picture as square JPEGs, RGB 4:4:4 as the competition's, one of each of `sizes` (some of the settings').

    Raises:
        PictureError: it cannot be used.
    """
    return [
        simplejpeg.encode_jpeg(picture, quality=settings.quality, colorspace="RGB", colorsubsampling="444")
        for picture in squares(file, sizes, max(settings.sizes), settings.shape)
    ]


def write_tables(folder: Path, manifest: Manifest, placed: Sequence[Planned]) -> None:
    """Write those that are not there yet.

    `classes.txt`; `pictures.csv` (which picture has which id); for a test split `sample_submission.csv`, and
    `test_labels.csv` where its labels are known, which the shards do not tell; `skipped.csv` if any were.
    """
    test = [one for one in placed if one.split == "test"]
    names = {None: "", **dict(enumerate(manifest.classes))}
    texts = {
        "classes.txt": "".join(f"{name}\n" for name in manifest.classes),
        "pictures.csv": csv_text(
            ("id", "split", "class", "path"), ((one.id, one.split, names[one.label], one.path) for one in placed)
        ),
    }
    if test:
        texts["sample_submission.csv"] = csv_text(("id", "label"), ((one.id, 0) for one in test))
    if test and all(one.label is not None for one in test):
        texts["test_labels.csv"] = csv_text(("id", "label"), ((one.id, one.label) for one in test))
    if manifest.bad():
        texts["skipped.csv"] = csv_text(("path", "why"), manifest.bad())
    for name, text in texts.items():
        if not (folder / name).exists():
            write_text(folder / name, text)
