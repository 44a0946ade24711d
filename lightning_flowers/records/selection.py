"""Which shards a command is to look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.sources.competition import SPLITS, Source
from lightning_flowers.data.sources.finding import find_source
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import DataError, UserError


class Part(NamedTuple):
    """One split at one size, of so many classes."""

    folder: Path
    size: int
    split: str
    classes: int

    @property
    def labelled(self) -> bool:
        """Whether its records must have a `class`."""
        return self.split != "test"

    def open(self) -> Split:
        """Its records.

        Raises:
            DataError: something is wrong with a shard or a record.
        """
        return open_split(self.folder, self.size, self.classes, self.labelled)

    def __str__(self) -> str:
        return f"{self.size} px {self.split}"


def find(root: str | None) -> Source:
    """The data set in `root`, else where `fit` would find it.

    Raises:
        DataError: no such folder, or no shards in it.
        UserError: `root` is a URL.
    """
    if root is not None and "://" in root:
        raise UserError(f"{root}: records reads folders and files of this host: copy the shards here first")
    with own_flags():
        return find_source(root)


def choose_size(source: Source, size: int | None) -> int:
    """The size asked for, or the one nearest to 224 px.

    Raises:
        DataError: there are no shards of that size.
    """
    with own_flags():
        return source.choose_size(size)


def choose_parts(source: Source, size: int | None, splits: str) -> list[Part]:
    """The splits asked for (names with commas between) that are there; of all sizes if none is given.

    Raises:
        UserError: no such split or size, or none of them is there.
    """
    names = [name.strip() for name in splits.split(",")]
    for name in names:
        if name not in SPLITS:
            raise UserError(f"--splits={splits}: {name!r} is none of {', '.join(SPLITS)}")
    sizes = sorted(source.sizes) if size is None else [choose_size(source, size)]
    wanted = ((size, name) for size in sizes for name in names if source.has(name, size))
    parts = [Part(source.sizes[size] / name, size, name, len(source.classes)) for size, name in wanted]
    if not parts:
        raise DataError(f"{source.root}: has no folder {' or '.join(names)} in {source.sizes[sizes[0]].name}")
    return parts


@contextmanager
def own_flags() -> Iterator[None]:
    """Let errors of the data room name the arguments that `records` has, not those of `fit`."""
    try:
        yield
    except UserError as error:
        raise DataError(error.args[0].replace("--data.root=", "").replace("--data.", "--")) from error
