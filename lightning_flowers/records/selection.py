"""Which shards a command is to look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.sources.competition import SPLITS, Source
from lightning_flowers.data.sources.finding import find_source
from lightning_flowers.data.sources.loose_pictures import explain_pictures
from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.errors import DataError, UserError


class Part(NamedTuple):
    """One split at one size."""

    folder: Path
    size: int
    split: str

    @property
    def labelled(self) -> bool:
        """Whether its records must have a `class`."""
        return self.split != "test"

    def __str__(self) -> str:
        return f"{self.size} px {self.split}"


class Odd(NamedTuple):
    """Something wrong with a file or a folder as a whole."""

    path: Path
    what: str


def find(root: str | None) -> Source:
    """The data set in `root`, else where `fit` would find it.

    Raises:
        DataError: no such folder, or no shards in it.
    """
    if root is not None:
        check_local(root)
    with own_flags():
        return find_source(root)


def check_local(path: str) -> None:
    """Fail if `path` is a URL.

    Raises:
        UserError: it is.
    """
    if "://" in path:
        raise UserError(f"{path}: records reads folders and files of this host: copy the shards here first")


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
    parts = [Part(source.sizes[size] / name, size, name) for size in sizes for name in names if source.has(name, size)]
    if not parts:
        raise DataError(f"{source.root}: has no folder {' or '.join(names)} in {source.sizes[sizes[0]].name}")
    return parts


def list_shards(folder: Path, size: int) -> tuple[list[Path], list[Odd]]:
    """The shards of a folder in the order of their numbers, and what is wrong among its names."""
    paths = sorted(path for path in folder.iterdir() if ".tfrec" in path.name and not path.name.startswith("."))
    shards: dict[int, Path] = {}
    odd = [] if paths else [Odd(folder, explain_pictures(folder) or "holds no shard (NN-SxS-COUNT.tfrec)")]
    for path in paths:
        name = parse_name(path)
        if isinstance(name, Odd):
            odd.append(name)
        elif name.size != size:
            odd.append(Odd(path, f"its name says {name.size} px, its folder {size} px"))
        elif name.number in shards:
            odd.append(Odd(path, f"has the same number as {shards[name.number].name}"))
        else:
            shards[name.number] = path
    missing = [number for number in range(max(shards, default=0)) if number not in shards]
    odd += [Odd(folder, f"shard {number:02d} is missing") for number in missing[:100]]
    return [shards[number] for number in sorted(shards)], odd


def parse_name(path: Path) -> ShardName | Odd:
    """What a shard's name says, or what is wrong with it."""
    try:
        return ShardName.parse(path)
    except DataError as error:
        return Odd(path, without_path(error, path))


def without_path(error: DataError, path: Path) -> str:
    """What an error about a file says, without the name of the file before it."""
    return str(error).removeprefix(f"{path}: ")


@contextmanager
def own_flags() -> Iterator[None]:
    """Let errors of the data room name the arguments that `records` has, not those of `fit`."""
    try:
        yield
    except UserError as error:
        raise DataError(error.args[0].replace("--data.root=", "").replace("--data.", "--")) from error
