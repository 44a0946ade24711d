"""Pictures in folders: ROOT/CLASS/*, or ROOT/{train,val,test}/CLASS/*, where test may hold its pictures directly."""

from functools import cache
from pathlib import Path

from PIL import Image

from lightning_flowers.data.photograph import formats
from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.errors import DataError
from lightning_flowers.records.convert.inputs import Input, Inputs, class_name, number_classes


def read_folder(root: Path, classes: tuple[str, ...] | None) -> Inputs:
    """The pictures of a folder tree.

    Args:
        classes: names in the order of their labels. Default: the folders' names, sorted.

    Raises:
        DataError: no such folder, or none that is laid out so.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    found: list[tuple[str, str | None, str | None]] = []  # path, split, class
    notes: list[str] = []
    for folder, split, name in _list_folders(root, notes):
        before = len(found)
        for path in _entries(folder):
            if path.is_dir():
                raise DataError(
                    f"{path}: a folder where pictures were expected: give ROOT/CLASS/* or ROOT/SPLIT/CLASS/*"
                )
            if _is_picture(path):
                found.append((path.relative_to(root).as_posix(), split, name))
        if len(found) == before:
            notes.append(f"the folder {folder.relative_to(root)} holds no picture")
    labels = number_classes([name for _, _, name in found if name is not None], classes)
    paths = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file() and not _is_picture(path))
    others = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    if others:
        notes.append(f"{len(others):,} files that are no pictures are left out, the first: {others[0]}")
    pictures = [Input(path, split, None if name is None else labels[name], None) for path, split, name in sorted(found)]
    return Inputs(root, tuple(labels), pictures, notes)


def _list_folders(root: Path, notes: list[str]) -> list[tuple[Path, str | None, str | None]]:
    """The folders that hold pictures, each with its split and its class, None where it has none.

    Raises:
        DataError: splits stand beside classes, or a picture beside folders.
    """
    folders = _folders(root)
    splits = [folder for folder in folders if folder.name in SPLITS]
    if splits and len(splits) < len(folders):
        other = next(folder for folder in folders if folder.name not in SPLITS)
        raise DataError(
            f"{root}: holds {splits[0].name} beside {other.name}: splits (train, val, test) or classes, not both"
        )
    _refuse_pictures(root)
    listed = _list_classes(root, None, notes) if not splits else []
    for folder in splits:
        flat = folder.name == "test" and not _folders(folder)
        listed += [(folder, "test", None)] if flat else _list_classes(folder, folder.name, notes)
    return listed


def _list_classes(folder: Path, split: str | None, notes: list[str]) -> list[tuple[Path, str | None, str | None]]:
    _refuse_pictures(folder)
    listed = [(one, split, _class_name(one)) for one in _folders(folder)]
    seen: dict[str, str] = {}
    for one, _, name in listed:
        if seen.setdefault(name, one.name) != one.name:
            notes.append(f"the folders {seen[name]!a} and {one.name!a} are one class, {name!r}")
    if split and not listed:
        notes.append(f"the folder {folder.name} holds no class")
    return [*listed]


def _refuse_pictures(folder: Path) -> None:
    for path in _entries(folder):
        if path.is_file() and _is_picture(path):
            raise DataError(f"{path}: a picture outside the classes' folders: move it into one")


def _class_name(folder: Path) -> str:
    try:
        name = class_name(folder.name)
    except ValueError as error:
        raise DataError(f"{folder}: {error}: give the folder a name, or a whole number") from error
    if not name:
        raise DataError(f"{folder.parent}: the folder {folder.name!a} is blank: give it the name of its class")
    return name


def _entries(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in paths:
        if path.name != path.name.encode("utf-8", "ignore").decode():
            raise DataError(f"{folder}: the name {path.name!a} is no UTF-8: rename it")
    return paths


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _suffixes()


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats())
