"""The competition *Petals to the Metal*: its classes, its folders, and where they lie."""

import csv
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from lightning_flowers.data.class_names import clean_name, read_number
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import DataError

DEFAULT_SIZE = 224
SPLITS = ("train", "val", "test")
_SIZE_FOLDER = re.compile(r"tfrecords-jpeg-(\d+)x\1")


@cache
def competition_classes() -> tuple[str, ...]:
    """The names of the competition's 104 classes, in the order of their labels."""
    text = resources.files("lightning_flowers.data.sources").joinpath("classes104.txt").read_text("utf-8")
    return tuple(clean_name(line) for line in text.splitlines())


@dataclass(frozen=True)
class Source:
    """A data set in the competition's layout, before any shard is opened.

    Attributes:
        root: the folder that holds `tfrecords-jpeg-SxS`, or is one.
        classes: names in the order of their labels: of `classes.txt` in the root (or beside it, where the root is
            itself a `tfrecords-jpeg-SxS`), else the competition's 104.
        sizes: folder of each size in pixels.
        order: what each label is in the run, where that has these classes in another order.
        origin: what the shards were converted from, where that was done for this run or one before.
    """

    root: Path
    classes: tuple[str, ...]
    sizes: dict[int, Path]
    order: tuple[int, ...] | None = field(default=None, kw_only=True)
    origin: str | None = field(default=None, kw_only=True)

    def choose_size(self, size: int | None) -> int:
        """The size asked for, or the one nearest to 224 px.

        Raises:
            DataError: there are no shards of that size; says which sizes there are.
        """
        if size is None:
            return min(self.sizes, key=lambda present: abs(present - DEFAULT_SIZE))
        if size not in self.sizes:
            present = ", ".join(str(s) for s in sorted(self.sizes))
            raise DataError(f"--data.size={size}: {self.root} has no shards of that size, only of {present} px")
        return size

    @property
    def where(self) -> str:
        """The root, to be found again from any folder."""
        return str(self.root.resolve())

    @property
    def given(self) -> str:
        """As people know it: what the shards were converted from, else where they are."""
        return self.origin or self.where

    def has(self, split: str, size: int) -> bool:
        """Whether there is a folder of that split."""
        return (self.sizes[size] / split).is_dir()

    def open(self, split: str, size: int, skip: bool = False) -> Split:
        """One of the splits; `skip` leaves out damaged records, up to 1 % of them.

        Raises:
            DataError: something is wrong with a shard or a record.
        """
        return open_split(self.sizes[size] / split, size, len(self.classes), split != "test", skip, self.order)

    def sample_submission(self) -> Path | None:
        """The competition's `sample_submission.csv`, where it lies beside the shards."""
        return self.beside("sample_submission.csv")

    def beside(self, name: str) -> Path | None:
        """A file that lies beside the shards."""
        return _find_beside(self.root, name)


def open_source(root: Path) -> Source:
    """The data set in one folder.

    Raises:
        DataError: no such folder, a file, or no shards in it.
    """
    if not root.is_dir():
        what = "not a folder" if root.exists() else "no such folder"
        raise DataError(f"--data.root={root}: {what}: give --data.root=FOLDER, where the data lie now")
    sizes = find_sizes(root)
    if not sizes:
        raise DataError(
            f"--data.root={root}: no shards there; a folder tfrecords-jpeg-SxS with train, val and test was expected "
            "(such as tfrecords-jpeg-224x224/train/00-224x224-798.tfrec; `records convert` makes such of pictures)"
        )
    return Source(root, read_classes(_find_beside(root, "classes.txt")), sizes)


def find_sizes(root: Path) -> dict[int, Path]:
    """The folders of shards in a folder, or itself, by their size in pixels."""
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    return {size: path for path in folders if (size := _folder_size(path))}


def read_labels(path: Path, ids: list[str]) -> list[int]:
    """Labels of `ids`, in their order, from a CSV with the columns id and label.

    Raises:
        DataError: the file cannot be read, has other columns, lacks an id, or has one twice.
    """
    labels: dict[str, int] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:  # spreadsheets put a byte order mark first
            rows = csv.DictReader(lines)
            for row in rows:
                if row["id"] in labels:
                    raise DataError(
                        f"{path}: line {rows.line_num}: the id {row['id']!r} stands a second time: keep one"
                    )
                labels[row["id"]] = _label(row)
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV with the columns id and label: {error}") from error
    missing = [identity for identity in ids if identity not in labels]
    if missing:
        raise DataError(f"{path}: has no label for {len(missing)} of {len(ids)} records, the first: {missing[0]}")
    return [labels[identity] for identity in ids]


def read_classes(path: Path | None) -> tuple[str, ...]:
    """The names in a classes.txt, or the competition's where there is none.

    Raises:
        DataError: it cannot be read, names fewer than two classes, or one twice.
    """
    if path is None:
        return competition_classes()
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    names = tuple(name for line in lines if (name := clean_name(line)))
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(f"{path}: must name two or more classes, one a line, each once")
    return names


def _label(row: dict[str, str]) -> int:
    number = read_number(row["label"] or "")
    if number is None:
        raise ValueError(f"the label {row['label']!r} is no number")
    return number


def _folder_size(folder: Path) -> int | None:
    """The size in the name of a folder of shards; a link counts by its own name or that of what it points to."""
    names = (folder.absolute().name, folder.resolve().name)
    return next((int(match[1]) for match in map(_SIZE_FOLDER.fullmatch, names) if match), None)


def _find_beside(root: Path, name: str) -> Path | None:
    """A file in the root, or beside it where the root is itself a folder of shards of one size."""
    folders = [root] if _folder_size(root) is None else [root, root.absolute().parent, root.resolve().parent]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
