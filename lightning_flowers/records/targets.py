"""What `records verify` is to check: the splits of a data set, folders of shards, or shards by themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.data.sources.competition import competition_classes, open_source
from lightning_flowers.data.sources.loose_pictures import explain_pictures
from lightning_flowers.data.tfrecord.example import read_example
from lightning_flowers.data.tfrecord.index import Rules
from lightning_flowers.data.tfrecord.shard import Shard
from lightning_flowers.errors import DataError
from lightning_flowers.records.selection import Odd, Part, check_local, choose_parts, find, list_shards, parse_name


class Target(NamedTuple):
    """Shards that belong together: ids must differ among them, numbers follow each other.

    Attributes:
        paths: of the shards, their names read and found good.
        odd: what is wrong with names and numbers.
        num_classes: labels must lie in 0..num_classes-1.
        labelled: whether every record must have a `class`; None: those of a shard whose first record has one.
    """

    paths: list[Path]
    odd: list[Odd]
    num_classes: int
    labelled: bool | None

    def rules(self, path: Path) -> Rules:
        """What the records of one of its shards must keep to."""
        labelled = _has_class(path) if self.labelled is None else self.labelled
        return Rules(self.num_classes, labelled, skip=True)


def find_targets(paths: Sequence[str], size: int | None, splits: str) -> list[Target]:
    """What `paths` mean: each a data set's root, a folder of shards, or a shard; none: where `fit` finds its data.

    Raises:
        UserError: one of them is not there, or a size or split that a root does not have.
    """
    if not paths:
        return _of_root(None, size, splits)
    for path in paths:
        check_local(path)
    return [target for path in paths for target in _of_path(Path(path).expanduser(), size, splits)]


def _of_path(path: Path, size: int | None, splits: str) -> list[Target]:
    if not path.is_dir():
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        if what := explain_pictures(path):
            raise DataError(f"{path}: {what}")
        named = parse_name(path)
        good, odd = ([], [named]) if isinstance(named, Odd) else ([path], [])
        return [Target(good, odd, _count_classes(path.parent), None)]
    sizes = [name.size for file in path.glob("*.tfrec*") if not isinstance(name := parse_name(file), Odd)]
    if sizes:
        return [Target(*list_shards(path, max(sizes, key=sizes.count)), _count_classes(path), None)]
    return _of_root(str(path), size, splits)


def _of_root(root: str | None, size: int | None, splits: str) -> list[Target]:
    source = find(root)

    def target(part: Part) -> Target:
        return Target(*list_shards(part.folder, part.size), len(source.classes), part.labelled)

    return [target(part) for part in choose_parts(source, size, splits)]


def _count_classes(folder: Path) -> int:
    """How many classes the data set has to which a folder of shards belongs: the competition's where there is none."""
    try:
        return len(open_source(folder.absolute().parent).classes)
    except DataError:
        return len(competition_classes())


def _has_class(path: Path) -> bool:
    shard = Shard(path, skip=True)
    for record in range(len(shard)):
        try:
            payload = shard.payload(record)
            return "class" in read_example(memoryview(payload), 0, len(payload))
        except (DataError, ValueError):
            continue
    return True
