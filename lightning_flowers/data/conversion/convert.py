"""Makes shards of pictures, each decoded once, in a folder that is whole or not there."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import simplejpeg
from tqdm import tqdm

from lightning_flowers.data.conversion.inputs import Input, Inputs
from lightning_flowers.data.conversion.plan import assign_splits, make_shards
from lightning_flowers.data.photograph import PictureError, square
from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.data.tfrecord.writer import Record, frame, serialize
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.files import atomic_folder, csv_text, write_text
from lightning_flowers.parallel import in_order


@dataclass(frozen=True)
class Settings:
    """What the shards' bytes depend on beside the pictures; see `records convert`.

    Raises:
        UserError: one is out of its range.
    """

    size: int
    quality: int = 95
    shards: int = 16
    val_fraction: float | None = None
    test_fraction: float = 0.0
    seed: int = 0
    skip: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (("size", 8, 4096), ("quality", 1, 100), ("shards", 1, 1000), ("seed", 0, 2**32 - 1)):
            if not low <= getattr(self, name) <= high:
                raise UserError(f"--data.{name}={getattr(self, name)}: must be {low} to {high}, to convert pictures")
        for name in ("val_fraction", "test_fraction"):
            if not 0 <= (getattr(self, name) or 0) < 1:
                raise UserError(f"--{name}={getattr(self, name)}: must be at least 0 and less than 1")
        if (self.val_fraction or 0) + self.test_fraction >= 1:
            raise UserError("--val_fraction and --test_fraction leave nothing to train on")


@dataclass
class Converted:
    """What was written; of `bad` pictures, which were not, the path and why; `twins` are the same picture twice."""

    pictures: list[Input] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    shards: int = 0
    twins: list[tuple[Input, Input]] = field(default_factory=list)
    _first: dict[bytes, Input] = field(default_factory=dict)

    def add(self, picture: Input, image: bytes) -> None:
        """One more that was written, as the JPEG `image`."""
        self.pictures.append(picture)
        first = self._first.setdefault(hashlib.sha256(image).digest(), picture)
        if first is not picture:
            self.twins.append((first, picture))

    def notes(self) -> list[str]:
        """The same picture in two splits, or of two classes, in lines for people."""
        leaks = [pair for pair in self.twins if pair[0].split != pair[1].split]
        torn = [pair for pair in self.twins if len({one.label for one in pair} - {None}) > 1]
        told = ((leaks, "two splits: scores may be too good"), (torn, "two classes: one of them is wrong"))
        return [
            f"{len(pairs):,} pictures stand in {what}; the first: {pairs[0][0].path} and {pairs[0][1].path}"
            for pairs, what in told
            if pairs
        ]


def convert(inputs: Inputs, folder: Path, settings: Settings, what: str = "converting") -> Converted:
    """Make shards of pictures in a folder that is not there yet.

    Args:
        folder: to write to; it gets its name once it is whole.
        settings: what the shards' bytes depend on beside the pictures.

    Raises:
        DataError: pictures cannot be used, or cannot be placed.
        UserError: a fraction is asked for where that split is there.
    """
    placed = assign_splits(inputs.pictures, settings.val_fraction, settings.test_fraction, settings.seed)
    planned = make_shards(_for_training(placed), settings.shards, settings.seed)
    _refuse([(one.path, why) for one in placed if (why := _out_of_reach(one))], inputs, settings)
    with (
        atomic_folder(folder) as whole,
        warnings.catch_warnings(),
        tqdm(total=len(placed), desc=what, unit="picture", disable=None, leave=False) as progress,
    ):
        warnings.filterwarnings("ignore", module="PIL")  # of odd EXIF above all, which does no picture harm
        done = Converted()
        for shards in planned.values():
            before = done.shards
            for pictures in shards:
                _write_shard(whole, ShardName(done.shards - before, settings.size, 0), pictures, settings, done)
                progress.update(len(pictures))
        _refuse(done.bad, inputs, settings)
        _for_training(done.pictures)
        _write_tables(whole, inputs.classes, done)
    return done


def render(one: Input, settings: Settings) -> bytes | str:
    """A picture as a square JPEG, RGB 4:4:4 as the competition's; or why it cannot be used."""
    try:
        picture = square(one.file if one.read is None else one.read(), settings.size)
    except PictureError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return simplejpeg.encode_jpeg(picture, quality=settings.quality, colorspace="RGB", colorsubsampling="444")


def _out_of_reach(one: Input) -> str | None:
    """Why a picture's own file cannot be reached, as one that a table names in vain."""
    try:
        if one.read is None:
            one.file.stat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _refuse(bad: Sequence[tuple[str, str]], inputs: Inputs, settings: Settings) -> None:
    if bad and not settings.skip:
        path, why = min(bad)
        raise DataError(
            f"{len(bad):,} of {len(inputs.pictures):,} pictures cannot be used, the first: {inputs.base / path}: "
            f"{why}: mend or remove them, or give --data.on_bad_record=skip, which lists them"
        )


def _for_training(pictures: list[Input]) -> list[Input]:
    if not any(one.split == "train" for one in pictures):
        raise DataError("there is no picture for the train split")
    return pictures


def _write_shard(root: Path, name: ShardName, pictures: Sequence[Input], settings: Settings, done: Converted) -> None:
    """Write a shard, a picture at a time: memory stays small. Its name tells how many it holds."""
    split, before = str(pictures[0].split), len(done.pictures)
    part = root / f"tfrecords-jpeg-{name.size}x{name.size}" / split / f"{name.number}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        rendered = in_order(lambda picture: render(picture, settings), pictures)
        for picture, image in zip(pictures, rendered, strict=True):
            if isinstance(image, str):
                done.bad.append((picture.path, image))
                continue
            label = None if split == "test" else picture.label
            file.write(frame(serialize(Record(image, label, str(picture.id)))))
            done.add(picture, image)
    count = len(done.pictures) - before
    done.shards += count > 0
    part.rename(part.with_name(str(name._replace(records=count)))) if count else part.unlink()


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
