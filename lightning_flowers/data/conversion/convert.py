"""Makes shards of pictures, each decoded once, in a folder that is whole or not there."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import simplejpeg
from tqdm import tqdm

from lightning_flowers.data.conversion.inputs import Input, Inputs
from lightning_flowers.data.conversion.plan import make_shards, place
from lightning_flowers.data.photograph import PictureError, squares
from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError
from lightning_flowers.files import csv_text, write_text
from lightning_flowers.parallel import in_order


@dataclass(frozen=True)
class Settings:
    """What the shards' bytes depend on beside the pictures."""

    sizes: list[int]
    quality: int
    shards: int
    val_fraction: float | None
    test_fraction: float
    seed: int
    skip_bad: bool


@dataclass
class Converted:
    """What was written; of `bad` pictures, which were not, the path and why."""

    pictures: list[Input] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    shards: int = 0


def convert(
    inputs: Inputs, folder: Path, settings: Settings, skip: str, tell_bad: Callable[[str], object]
) -> Converted:
    """Make shards of pictures in a folder that is not there yet.

    Args:
        inputs: what to convert.
        folder: to write to; it gets its name once it is whole.
        settings: what the shards' bytes depend on beside the pictures.
        skip: the flag that leaves out pictures that cannot be used, for errors.
        tell_bad: gets a line for each of those, where none may be left out.

    Raises:
        DataError: pictures cannot be used, or cannot be placed.
        UserError: a fraction is asked for where that split is there.
    """
    planned = make_shards(
        _for_training(place(inputs.pictures, settings.val_fraction, settings.test_fraction, settings.seed)),
        settings.shards,
        settings.seed,
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True) as work,
        warnings.catch_warnings(),
        tqdm(total=len(inputs.pictures), desc="converting", unit="picture", disable=None, leave=False) as progress,
    ):
        warnings.filterwarnings("ignore", module="PIL")  # of odd EXIF above all, which does no picture harm
        done = Converted()
        for split, shards in planned.items():
            before = done.shards
            for pictures in shards:
                _write_shard(Path(work, "whole"), (split, done.shards - before, pictures), inputs, settings, done)
                progress.update(len(pictures))
        if done.bad and not settings.skip_bad:
            _refuse(inputs, sorted(done.bad), skip, tell_bad)
        _for_training(done.pictures)
        _write_tables(Path(work, "whole"), inputs.classes, done)
        Path(work, "whole").rename(folder)
    return done


def _for_training(pictures: list[Input]) -> list[Input]:
    if not any(one.split == "train" for one in pictures):
        raise DataError("there is no picture for the train split")
    return pictures


def _refuse(inputs: Inputs, bad: list[tuple[str, str]], skip: str, tell_bad: Callable[[str], object]) -> None:
    for path, why in bad:
        tell_bad(f"{inputs.base / path}: {why}")
    raise DataError(
        f"{len(bad):,} of {len(inputs.pictures):,} pictures cannot be used, the first: "
        f"{inputs.base / bad[0][0]}: {bad[0][1]}: mend or remove them, or give {skip}"
    )


def _write_shard(
    folder: Path, shard: tuple[str, int, Sequence[Input]], inputs: Inputs, settings: Settings, done: Converted
) -> None:
    """Write a shard in all its sizes, a picture at a time: memory stays small. Its name tells how many it holds."""
    split, number, pictures = shard
    parts = {size: folder / f"tfrecords-jpeg-{size}x{size}" / split / f"{number}.part" for size in settings.sizes}
    before = len(done.pictures)
    with ExitStack() as stack:
        for part in parts.values():
            part.parent.mkdir(parents=True, exist_ok=True)
        files = [stack.enter_context(part.open("wb")) for part in parts.values()]
        rendered = in_order(lambda picture: render(inputs, picture, settings), pictures)
        for picture, images in zip(pictures, rendered, strict=True):
            if isinstance(images, str):
                done.bad.append((picture.path, images))
                continue
            for file, image in zip(files, images, strict=True):
                file.write(frame(serialize(Record(image, None if split == "test" else picture.label, str(picture.id)))))
            done.pictures.append(picture)
    count = len(done.pictures) - before
    done.shards += count > 0
    for size, part in parts.items():
        part.rename(part.with_name(str(ShardName(number, size, count)))) if count else part.unlink()


def render(inputs: Inputs, one: Input, settings: Settings) -> list[bytes] | str:
    """A picture as square JPEGs, RGB 4:4:4 as the competition's, one of each size; or why it cannot be used."""
    try:
        return [
            simplejpeg.encode_jpeg(picture, quality=settings.quality, colorspace="RGB", colorsubsampling="444")
            for picture in squares(inputs.read(one), settings.sizes)
        ]
    except PictureError as error:
        return str(error)


def _write_tables(folder: Path, classes: Sequence[str], done: Converted) -> None:
    """`classes.txt`; `pictures.csv` (which picture has which id); for a test split `sample_submission.csv`, and
    `test_labels.csv` where its labels are known, which the shards do not tell; `skipped.csv` if any were."""
    test = [one for one in done.pictures if one.split == "test"]
    names = {None: "", **dict(enumerate(classes))}
    rows = sorted((str(one.id), one.split or "", names[one.label], one.path) for one in done.pictures)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in classes))
    write_text(folder / "pictures.csv", csv_text(("id", "split", "class", "path"), rows))
    if test:
        write_text(folder / "sample_submission.csv", csv_text(("id", "label"), ((one.id, 0) for one in test)))
    if test and all(one.label is not None for one in test):
        write_text(folder / "test_labels.csv", csv_text(("id", "label"), ((one.id, one.label) for one in test)))
    if done.bad:
        write_text(folder / "skipped.csv", csv_text(("path", "why"), sorted(done.bad)))
