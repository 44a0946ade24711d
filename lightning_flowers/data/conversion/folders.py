"""Pictures in folders: ROOT/CLASS/*, or ROOT/{train,val,test}/CLASS/*, where test may hold its pictures directly."""

from pathlib import Path

from lightning_flowers.data.conversion.inputs import Found, Input, Inputs, class_name, gather
from lightning_flowers.data.conversion.names import CLASS_LISTS, split_called
from lightning_flowers.data.photograph import is_picture
from lightning_flowers.errors import DataError


def read_folder(root: Path, classes: tuple[str, ...] | None) -> Inputs:
    """The pictures of a folder tree.

    Args:
        classes: names in the order of their labels. Default: the folders' names, sorted.

    Raises:
        DataError: no such folder, or none that is laid out so.
    """
    found: list[Found] = []
    for folder, split, name in _list_folders(root):
        for path in _entries(folder):
            if path.is_dir():
                raise DataError(
                    f"{path}: a folder where pictures were expected: give ROOT/CLASS/* or ROOT/SPLIT/CLASS/*"
                )
            if is_picture(path):
                found.append((Input(path.relative_to(root).as_posix(), path, split), name))
    paths = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file() and not is_picture(path))
    others = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    others = [name for name in others if name not in CLASS_LISTS]  # which were read
    note = f"{len(others):,} files that are no pictures are left out, the first: {others[0]}" if others else None
    return gather(root, found, classes, [note] if note else [])


def _list_folders(root: Path) -> list[tuple[Path, str | None, str | None]]:
    """The folders that hold pictures, each with its split and its class, None where it has none.

    Raises:
        DataError: splits stand beside classes, or a picture beside folders.
    """
    folders = _folders(root)
    splits = [folder for folder in folders if split_called(folder.name)]
    if splits and len(splits) < len(folders):
        other = next(folder for folder in folders if not split_called(folder.name))
        raise DataError(
            f"{root}: holds {splits[0].name} beside {other.name}: splits (train, val, test) or classes, not both"
        )
    _refuse_pictures(root)
    listed = _list_classes(root, None) if not splits else []
    for folder in splits:
        name = split_called(folder.name)
        flat = name == "test" and not _folders(folder)
        listed += [(folder, "test", None)] if flat else _list_classes(folder, name)
    return listed


def _list_classes(folder: Path, split: str | None) -> list[tuple[Path, str | None, str | None]]:
    _refuse_pictures(folder)
    return [(one, split, _class_name(one)) for one in _folders(folder)]


def _refuse_pictures(folder: Path) -> None:
    for path in _entries(folder):
        if path.is_file() and is_picture(path):
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
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    for path in paths:
        if path.name != path.name.encode("utf-8", "ignore").decode():
            raise DataError(f"{folder}: the name {path.name!a} is no UTF-8: rename it")
    return paths


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]
