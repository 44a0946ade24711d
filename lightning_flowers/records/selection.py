"""Which shards a command is to look at."""

from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.conversion.opening import find_source
from lightning_flowers.data.sources.competition import SPLITS, Source
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import DataError, UserError


class Part(NamedTuple):
    """One split of a data set at one size."""

    source: Source
    size: int
    split: str

    @property
    def folder(self) -> Path:
        """Where its shards lie."""
        return self.source.sizes[self.size] / self.split

    def open(self) -> Split:
        """Its records.

        Raises:
            DataError: something is wrong with a shard or a record.
        """
        return self.source.open(self.split, self.size)

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
    return find_source(root)


def choose_parts(source: Source, size: int | None, splits: str) -> list[Part]:
    """The splits asked for (names with commas between) that are there; of all sizes if none is given.

    Raises:
        UserError: no such split or size, or none of them is there.
    """
    names = [name.strip() for name in splits.split(",")]
    for name in names:
        if name not in SPLITS:
            raise UserError(f"--splits={splits}: {name!r} is none of {', '.join(SPLITS)}")
    sizes = sorted(source.sizes) if size is None else [source.choose_size(size)]
    parts = [Part(source, size, name) for size in sizes for name in names if source.has(name, size)]
    if not parts:
        raise DataError(f"{source.root}: has no folder {' or '.join(names)} in {source.sizes[sizes[0]].name}")
    return parts
