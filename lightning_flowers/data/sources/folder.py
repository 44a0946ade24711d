"""A folder of shards: which it holds, in which order, and the split that they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.index import LazyShard, Rules
from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.errors import DataError


def open_split(
    folder: Path,
    size: int,
    num_classes: int,
    labelled: bool,
    skip: bool = False,
    order: tuple[int, ...] | None = None,
) -> Split:
    """The split in a folder, every shard of it walked and every record's label and id read.

    Args:
        folder: holds the shards `NN-SxS-COUNT.tfrec`, numbered from 00 without a gap.
        size: the pictures' side in pixels that every shard's name must state.
        num_classes: labels must lie in 0..num_classes-1.
        labelled: whether every record must have a `class`; if not, labels are -1 and each needs an id of its own.
        skip: leave out damaged records, up to 1 % of them, in place of failing.
        order: what each label is in the run, where its classes stand in another order.

    Raises:
        DataError: no shard; a damaged, missing or misnamed one; a record without picture, label or id; a label
            outside the classes; an id that stands twice in an unlabelled split.
    """
    rules = Rules(num_classes, labelled, skip, order=order)
    paths = find_shards(folder, size)
    split = Split(str(folder), [_local(path, rules) for path in paths], size)
    split.open()
    if not labelled:
        _check_ids(split)
    return split


def find_shards(folder: Path, size: int) -> Sequence[Path]:
    """The shards of a folder in the order of their numbers; their names are checked, nothing is read.

    Raises:
        DataError: no folder, no shard, a shard with another kind of name or size, a number missing or twice.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of shards")
    try:
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    return in_order(files, str(folder), size)


def in_order(files: Sequence[Path], folder: str, size: int) -> Sequence[Path]:
    """The shards among the files of a folder (a local one's or a URL's) in the order of their numbers.

    Raises:
        DataError: no shard, a shard with another kind of name or size, a number missing or twice.
    """
    # Anything that may once have been a shard counts: a renamed one must not be silently left out.
    paths = sorted(path for path in files if ".tfrec" in path.name)
    if not paths:
        raise DataError(f"{folder}: an empty split: it holds no shard (NN-SxS-COUNT.tfrec)")
    by_number: dict[int, Path] = {}
    for path in paths:
        name = ShardName.parse(path)
        if name.size != size:
            raise DataError(f"{path}: its name says {name.size} px, its folder {size} px: move it to its own folder")
        if name.number in by_number:
            raise DataError(f"{folder}: {by_number[name.number].name} and {path.name} have the same number: remove one")
        by_number[name.number] = path
    missing = next((number for number in range(len(by_number)) if number not in by_number), None)
    if missing is not None:
        raise DataError(f"{folder}: shard {missing:02d} is missing ({len(paths)} are there): fetch it again")
    return [by_number[number] for number in sorted(by_number)]


def _check_ids(split: Split) -> None:
    ids = split.ids
    names, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        twice = str(names[counts > 1][0])
        again = int(np.flatnonzero(ids == twice)[1])
        raise split.error(again, f"the id {twice!r} stands more than once: each record needs its own")


def _local(path: Path, rules: Rules) -> LazyShard:
    return LazyShard(str(path), rules, path.stat().st_size if path.exists() else None)  # opening it says what is wrong
