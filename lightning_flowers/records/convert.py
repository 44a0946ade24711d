"""`records convert`: pictures of any kind and size to shards in the competition's layout."""

from collections import Counter
from pathlib import Path

from lightning_flowers.data.conversion.convert import Converted, Settings, convert
from lightning_flowers.data.conversion.hubs import fetch, is_hub
from lightning_flowers.data.conversion.inputs import Inputs
from lightning_flowers.data.conversion.kinds import read_pictures
from lightning_flowers.data.splits.split import OnBadRecord
from lightning_flowers.errors import UserError
from lightning_flowers.files import free_path
from lightning_flowers.records.text import say


def convert_records(
    source: str | None = None,
    *,
    out: str,
    size: int = 224,
    quality: int = 95,
    shards: int = 16,
    val_fraction: float | None = None,
    test_fraction: float = 0.0,
    features: dict[str, str] | None = None,
    seed: int = 0,
    on_bad_record: OnBadRecord = "error",
) -> int:
    """Make shards of pictures.

    Args:
        source: the folder or file of pictures. A CSV has the columns path, class (a name, or a whole number from 0)
            and, if need be, split and id; paths start from its folder. Labels are in the order of a classes.txt there,
            else of the names that are found, sorted, numbers as numbers.
        out: folder to write to, a new one.
        size: side of the pictures in pixels.
        quality: of the JPEGs, 1 to 100; chroma is kept in full (4:4:4).
        shards: files for each split; fewer where a split has fewer pictures.
        val_fraction: share of each class's training pictures that goes to val. Default: 0.2 unless there is a val.
        test_fraction: share that goes to test.
        features: names of the features (TFRecords), columns (CSV, Parquet) or keys (JSON in tars) that hold image,
            label and id, where they are not the usual ones: --features.image=NAME --features.label=NAME. In tars
            image is the pictures' extension.
        seed: of the draw of the splits and of the order in them.
        on_bad_record: error, or skip to leave out pictures that cannot be read, and list them in skipped.csv.
    """
    settings = Settings(size, quality, shards, val_fraction, test_fraction, seed, on_bad_record == "skip")
    inputs = _read(source, features or {})
    folder = free_path(out, out)
    if source is not None and _is_within(folder, Path(source).expanduser()):
        raise UserError(f"--out={out}: lies in the folder of pictures: choose one outside it")
    _report(folder, inputs.classes, convert(inputs, folder, settings))
    return 0


def _read(source: str | None, features: dict[str, str]) -> Inputs:
    if source is None:
        raise UserError("records convert: give a folder of pictures, or a file that holds or names some")
    place = fetch(source) if is_hub(source) else Path(source).expanduser()
    _, inputs = read_pictures(place, features)
    for note in inputs.notes:
        say(f"note: {note}")
    return inputs


def _is_within(folder: Path, source: Path) -> bool:
    return source.is_dir() and folder.absolute().is_relative_to(source.absolute())


def _report(folder: Path, classes: tuple[str, ...], done: Converted) -> None:
    counts = Counter(one.split for one in done.pictures)
    splits = ", ".join(f"{counts[name]:,} {name}" for name in ("train", "val", "test") if counts[name])
    say(f"{folder}: {len(classes)} classes, {splits}, in {done.shards} shards")
    if done.bad:
        say(f"note: {len(done.bad):,} pictures were left out: see {folder / 'skipped.csv'}")
    for note in done.notes():
        say(f"note: {note}")
