"""The command: reads what is given, checks every picture, plans, and writes the shards that are missing."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from lightning_flowers.data.photograph import PictureError, Shape, check_picture
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.parallel import in_order
from lightning_flowers.records.convert.folders import read_folder
from lightning_flowers.records.convert.inputs import Input, Inputs, list_labels, read_classes
from lightning_flowers.records.convert.manifest import LOCK, Manifest, Settings, begun, describe_inputs
from lightning_flowers.records.convert.plan import Planned, PlannedShard, make_shards, note_classes, place
from lightning_flowers.records.convert.table import read_table
from lightning_flowers.records.convert.write import missing_sizes, write_missing, write_tables
from lightning_flowers.records.text import bar, say


def convert_records(
    source: str | None = None,
    *,
    out: str,
    csv: str | None = None,
    sizes: str = "224",
    shape: Shape = "crop",
    quality: int = 95,
    shards: int = 16,
    val_fraction: float | None = None,
    test_fraction: float = 0.0,
    classes: str | None = None,
    seed: int = 0,
    skip_bad: bool = False,
) -> int:
    """Make shards of pictures.

    Args:
        source: the folder of pictures.
        out: folder to write to, new or begun by the same command before: then what is missing is written.
        csv: table with the columns path[,class][,label][,split][,id], parted by commas, semicolons or tabs; a label is
            a whole number from 0, or a name. Its paths start from the folder of pictures if one is given, else from
            the table's.
        sizes: sides of the pictures in pixels, with commas between.
        shape: crop (the largest square in the middle) or squash (the whole picture).
        quality: of the JPEGs, 1 to 100; chroma is kept in full (4:4:4).
        shards: files for each split; fewer where a split has fewer pictures.
        val_fraction: share of each class's training pictures that goes to val. Default: 0.2 unless there is a val.
        test_fraction: share that goes to test.
        classes: file with a class a line, in the order of their labels, or `petals`, the competition's 104. Default:
            the names that are found, sorted, numbers as numbers.
        seed: of the draw of the splits and of the order in them.
        skip_bad: leave out pictures that cannot be read, and list them in skipped.csv.
    """
    settings = Settings(_parse_sizes(sizes), shape, quality, shards, val_fraction, test_fraction, seed, skip_bad)
    _check(settings)
    inputs = _read(source, csv, classes)
    folder = Path(out).expanduser()
    if folder.absolute().is_relative_to(inputs.base.absolute()) and csv is None:
        raise UserError(f"--out={out}: lies in the folder of pictures: choose one outside it")
    described = describe_inputs(inputs)
    manifest = begun(folder, settings, inputs.classes, described)  # before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # of odd EXIF above all, which does no picture harm
            _convert(folder, inputs, manifest or _begin(folder, settings, inputs, described))
    except Timeout as error:
        raise UserError(f"--out={out}: another process is converting into it: wait for it") from error
    return 0


def _check(settings: Settings) -> None:
    for name, low, high in (("quality", 1, 100), ("shards", 1, 1000), ("seed", 0, 2**32 - 1)):
        if not low <= getattr(settings, name) <= high:
            raise UserError(f"--{name}={getattr(settings, name)}: must be {low} to {high}")
    for name in ("val_fraction", "test_fraction"):
        if not 0 <= (getattr(settings, name) or 0) < 1:
            raise UserError(f"--{name}={getattr(settings, name)}: must be at least 0 and less than 1")
    if (settings.val_fraction or 0) + settings.test_fraction >= 1:
        raise UserError("--val_fraction and --test_fraction leave nothing to train on")


def _parse_sizes(text: str) -> list[int]:
    sizes = [int(size) if size.strip().isdecimal() else 0 for size in text.split(",")]
    if not all(8 <= size <= 4096 for size in sizes) or len(set(sizes)) < len(sizes):
        raise UserError(f"--sizes={text}: give each size once, in pixels (8 to 4096), with commas between")
    return sizes


def _read(source: str | None, csv: str | None, classes: str | None) -> Inputs:
    base = None if source is None else Path(source).expanduser()
    if csv is not None:
        inputs = read_table(Path(csv).expanduser(), base, read_classes(classes))
    elif base is not None:
        inputs = read_folder(base, read_classes(classes))
    else:
        raise UserError("records convert: give a folder of pictures, or --csv=FILE")
    for note in inputs.notes:
        say(f"note: {note}")
    return inputs


def _begin(folder: Path, settings: Settings, inputs: Inputs, described: list[list[object]]) -> Manifest:
    """Check every picture, and leave the manifest.

    Raises:
        DataError: some cannot be used, or what can be used cannot be placed.
    """
    _place(inputs.pictures, settings)
    manifest = Manifest(settings, list(inputs.classes), described, list(_look(inputs, max(settings.sizes))))
    bad = manifest.bad()
    if bad and not settings.skip_bad:
        for path, why in bad:
            say(f"{inputs.base / path}: {why}")
        raise DataError(
            f"{len(bad):,} of {len(inputs.pictures):,} pictures cannot be used (listed above), the first: "
            f"{inputs.base / bad[0][0]}: mend or remove them, or give --skip_bad"
        )
    _place(manifest.pictures(), settings)
    manifest.save(folder)
    return manifest


def _look(inputs: Inputs, largest: int) -> Iterator[list[int] | str]:
    def look(path: str) -> list[int] | str:
        try:
            return list(check_picture(inputs.base / path, largest))
        except PictureError as error:
            return str(error)

    with bar(len(inputs.pictures), "checking", "picture") as progress:
        for found in in_order(look, (one.path for one in inputs.pictures)):
            progress.update()
            yield found


def _place(pictures: Sequence[Input], settings: Settings) -> list[Planned]:
    placed = place(pictures, settings.val_fraction, settings.test_fraction, settings.seed)
    if not any(one.split == "train" for one in placed):
        raise DataError("there is no picture for the train split")
    return placed


def _convert(folder: Path, inputs: Inputs, manifest: Manifest) -> None:
    settings = manifest.settings
    placed = _place(manifest.pictures(), settings)
    write_tables(folder, manifest, placed)
    planned = make_shards(placed, settings.shards, settings.seed)
    total, before = len(planned) * len(settings.sizes), _count_missing(folder, planned, settings)
    try:
        write_missing(planned, folder, inputs.base, settings)
    except KeyboardInterrupt as interrupt:
        there = total - _count_missing(folder, planned, settings)
        message = f"interrupted; {there} of {total} shards are written: the same command goes on"
        raise KeyboardInterrupt(message) from interrupt
    _report(folder, manifest, placed, f"{before} of {total} shards written now")


def _count_missing(folder: Path, planned: Sequence[PlannedShard], settings: Settings) -> int:
    return sum(len(missing_sizes(one, folder, settings.sizes)) for one in planned)


def _report(folder: Path, manifest: Manifest, placed: Sequence[Planned], written: str) -> None:
    counts = Counter(one.split for one in placed)
    splits = ", ".join(f"{counts[name]:,} {name}" for name in ("train", "val", "test") if counts[name])
    say(f"{folder}: {len(manifest.classes)} classes, {splits}; {written}")
    say(f"labels: {list_labels(manifest.classes)}")
    for note in note_classes(manifest.classes, placed):
        say(f"note: {note}")
    for size in manifest.settings.sizes:
        if small := manifest.count_smaller(size):
            say(f"note: {small:,} pictures were smaller than {size} px and are enlarged")
    if manifest.bad():
        say(f"note: {len(manifest.bad()):,} pictures were left out: see {folder / 'skipped.csv'}")
