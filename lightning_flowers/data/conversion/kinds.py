"""Which kind of pictures a place holds, and what reads each kind; of pictures in folders, those."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_flowers.data.conversion.inputs import Input, Inputs, class_name, number_classes
from lightning_flowers.data.conversion.names import CLASS_LISTS, Features, check_features, split_called
from lightning_flowers.data.conversion.parquet import read_parquet
from lightning_flowers.data.conversion.table import read_table
from lightning_flowers.data.conversion.tars import read_tars
from lightning_flowers.data.conversion.tfrecords import read_tfrecord, starts_as_tfrecord
from lightning_flowers.data.photograph import is_heic, is_picture
from lightning_flowers.data.sources.competition import read_classes
from lightning_flowers.errors import DataError, UserError

_TFRECORDS, _TARS, _PARQUET, _TABLE = "TFRecords", "WebDataset tars", "Parquet", "a table"
_PICTURES, _OTHER = "pictures in folders", "others"
_SHOWN = 6  # kinds of what is left out
_OURS = ("sample_submission.csv", "test_labels.csv")  # lie beside shards, and name no pictures
UNDERSTOOD = (
    "folders of classes (with or without train, val, test), a CSV, TFRecords, WebDataset tars, Parquet; see "
    "python -m lightning_flowers records convert --help"
)


def read_pictures(source: Path, features: Features | None = None, extra: bool = False) -> tuple[str, Inputs]:
    """The pictures at a place, of whatever kind: what it is called, and what it holds.

    Args:
        source: a folder, or a file.
        features: names of the features, columns or keys that hold image, label and id, where they are not usual ones.
        extra: whether `features` may be of other pictures than these.

    Raises:
        DataError: no such place, nothing that is understood, two kinds of data, or data that cannot be read.
        UserError: `features` names something else, or is of a source that has none.
    """
    features = features or {}
    check_features(features)
    found: dict[str, list[Path]] = {}
    for file in sorted(_files(source)):
        found.setdefault(_kind_of(file), []).append(file)
    if found.keys() - {_PICTURES, _OTHER} and all(map(is_heic, found.get(_PICTURES, ()))):
        found.setdefault(_OTHER, []).extend(found.pop(_PICTURES, ()))  # which cannot be what is meant
    kind = _choose(source, found)
    base = source if source.is_dir() else source.parent
    classes, notes = _read_classes(base), []
    if kind == _TFRECORDS:
        pictures = (one for file in found[kind] for one in read_tfrecord(base, file, features))
    elif kind == _TARS:
        pictures = read_tars(base, found[kind], features)
    elif kind == _PARQUET:
        read = [read_parquet(base, file, features) for file in found[kind]]
        pictures = [one for pictures, _ in read for one in pictures]
        classes = classes or next((names for _, names in read if names), None)
    elif kind == _TABLE:
        pictures, notes = read_table(found[kind][0], features)
    elif features and not extra:
        raise UserError(
            f"--data.features: {source} holds pictures in folders, which name the classes: leave it out, or where it "
            "is a run's give --data.features=null"
        )
    else:
        pictures = _read_folder(base, found[kind])
        others = [file for kind in (_OTHER, _TABLE) for file in found.get(kind, ()) if file.name not in CLASS_LISTS]
        if others:
            notes = [_left_out(others, base)]
    try:
        return kind, number_classes(base, pictures, classes, notes)
    except DataError as error:
        hint = f"; or give the table alone: {found[_TABLE][0]}" if kind == _PICTURES and _TABLE in found else ""
        raise DataError(f"{error.args[0]}{hint}") from error


def _left_out(files: Sequence[Path], base: Path) -> str:
    counts = Counter(file.suffix.lower() or "without a suffix" for file in files).most_common()
    listed = ", ".join(f"{count:,} {suffix}" for suffix, count in counts[:_SHOWN])
    more = f" and {len(counts) - _SHOWN} more kinds" if len(counts) > _SHOWN else ""
    first = files[0].relative_to(base).as_posix()
    return f"{len(files):,} files that are not called as pictures are left out ({listed}{more}), the first: {first}"


def _choose(source: Path, found: dict[str, list[Path]]) -> str:
    """The kind that counts: a table only where there is nothing else, as many lie beside data that need none."""
    understood = [kind for kind in found if kind != _OTHER]
    kinds = [kind for kind in understood if kind != _TABLE] or understood
    if len(kinds) == 1 and (kinds != [_TABLE] or len(found[_TABLE]) == 1):
        if source.is_file() and kinds == [_PICTURES]:
            raise DataError(f"{source}: one picture is no data set: give its folder (or ask `classify` about it)")
        return kinds[0]
    if kinds == [_TABLE]:
        raise DataError(f"{source}: holds {len(found[_TABLE])} tables: give one of them, such as {found[_TABLE][0]}")
    if kinds:
        named = " and ".join(f"{kind} ({found[kind][0].relative_to(source)})" for kind in kinds[:2])
        raise DataError(f"{source}: holds two kinds of data, {named}: give the folder, or the file, of one")
    raise DataError(f"{source}: no shards there (tfrecords-jpeg-SxS), nor pictures that are understood: {UNDERSTOOD}")


def _read_folder(root: Path, files: Sequence[Path]) -> Iterator[Input]:
    """The pictures of ROOT/CLASS/*, or ROOT/{train,val,test}/CLASS/*, where test may hold its pictures directly.

    Args:
        files: the pictures, somewhere below `root`.

    Raises:
        DataError: splits stand beside classes, or a picture beside or below the folders of classes.
    """
    places = [path.relative_to(root) for path in files]
    tops = dict.fromkeys(place.parts[0] for place in places if len(place.parts) > 1)
    splits = [name for name in tops if split_called(name)]
    if splits and (other := next((name for name in tops if name not in splits), None)):
        raise DataError(f"{root}: holds {splits[0]} beside {other}: splits (train, val, test) or classes, not both")
    classed = {place.parts[0] for place in places if len(place.parts) > 2}
    for path, place in zip(files, places, strict=True):
        folders = list(place.parts[:-1])
        split = split_called(folders.pop(0)) if splits and folders else None
        if len(folders) > 1:
            raise DataError(
                f"{path.parent}: a folder where pictures were expected: give ROOT/CLASS/* or ROOT/SPLIT/CLASS/*"
            )
        if not folders and (split != "test" or place.parts[0] in classed):
            raise DataError(f"{path}: a picture outside the classes' folders: move it into one")
        yield Input(place.as_posix(), path, split, raw_label=folders[0] if folders else None)


def _files(source: Path) -> Iterator[Path]:
    if not source.exists():
        raise DataError(f"{source}: no such folder or file")
    if source.is_file():
        yield source
        return
    for folder, inner, names in os.walk(source, onerror=_refuse, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _kind_of(file: Path) -> str:
    name = file.name.lower()
    if is_picture(file):
        return _PICTURES
    if name.endswith((".csv", ".tsv")):
        return _OTHER if name in _OURS else _TABLE
    if name.endswith(".parquet"):
        return _PARQUET
    if name.endswith((".tar", ".tar.gz", ".tgz")):
        return _TARS
    try:
        return _TFRECORDS if ".tfrec" in name or starts_as_tfrecord(file) else _OTHER
    except OSError:
        return _OTHER


def _read_classes(folder: Path) -> tuple[str, ...] | None:
    path = next((folder / name for name in CLASS_LISTS if (folder / name).is_file()), None)
    try:
        return None if path is None else tuple(class_name(name) for name in read_classes(path))
    except ValueError as error:
        raise DataError(f"{path}: {error}: give a name, or a whole number") from error
