"""Pictures in folders: ROOT/CLASS/*, or ROOT/{train,val,test}/CLASS/*, where test may hold its pictures directly."""

from functools import cache
from pathlib import Path

from PIL import Image

from lightning_flowers.data.photograph import formats
from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.errors import DataError
from lightning_flowers.records.convert.inputs import Input, Inputs, class_name, number_classes


class _Found:
    """Gathers (path, split, class) and what is no picture."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pictures: list[tuple[str, str | None, str | None]] = []
        self.left_out: list[str] = []
        self.notes: list[str] = []

    def add(self, folder: Path, split: str | None, name: str | None) -> None:
        """Take the pictures of a folder that holds nothing else to take.

        Raises:
            DataError: it holds a folder.
        """
        before = len(self.pictures)
        for path in _entries(folder):
            if path.is_dir():
                raise DataError(
                    f"{path}: a folder where pictures were expected: give ROOT/CLASS/* or ROOT/SPLIT/CLASS/*"
                )
            self._add_file(path, split, name)
        if len(self.pictures) == before:
            self.notes.append(f"the folder {folder.relative_to(self.root)} holds no picture")

    def leave_out_files(self, folder: Path) -> None:
        """Note the files of a folder that should hold folders.

        Raises:
            DataError: one of them is a picture, which has no class.
        """
        for path in _entries(folder):
            if path.is_file():
                if _is_picture(path):
                    raise DataError(f"{path}: a picture outside the classes' folders: move it into one")
                self.left_out.append(path.relative_to(self.root).as_posix())

    def _add_file(self, path: Path, split: str | None, name: str | None) -> None:
        relative = path.relative_to(self.root).as_posix()
        if _is_picture(path):
            self.pictures.append((relative, split, name))
        else:
            self.left_out.append(relative)


def read_folder(root: Path, classes: tuple[str, ...] | None) -> Inputs:
    """The pictures of a folder tree.

    Args:
        classes: names in the order of their labels. Default: the folders' names, sorted.

    Raises:
        DataError: no such folder, or none that is laid out so.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    found = _Found(root)
    folders = _folders(root)
    splits = [folder for folder in folders if folder.name in SPLITS]
    if splits and len(splits) < len(folders):
        other = next(folder for folder in folders if folder.name not in SPLITS)
        raise DataError(
            f"{root}: holds {splits[0].name} beside {other.name}: splits (train, val, test) or classes, not both"
        )
    found.leave_out_files(root)
    if splits:
        for folder in splits:
            _add_split(found, folder)
    else:
        _add_classes(found, root, None)
    return _number(found, classes)


def _add_split(found: _Found, folder: Path) -> None:
    if folder.name == "test" and not _folders(folder):
        found.add(folder, "test", None)
        return
    found.leave_out_files(folder)
    if not _folders(folder):
        found.notes.append(f"the folder {folder.name} holds no class")
    _add_classes(found, folder, folder.name)


def _add_classes(found: _Found, folder: Path, split: str | None) -> None:
    seen: dict[str, str] = {}
    for one in _folders(folder):
        name = _class_name(one)
        if seen.setdefault(name, one.name) != one.name:
            found.notes.append(f"the folders {seen[name]!a} and {one.name!a} are one class, {name!r}")
        found.add(one, split, name)


def _class_name(folder: Path) -> str:
    try:
        name = class_name(folder.name)
    except ValueError as error:
        raise DataError(f"{folder}: {error}: give the folder a name, or a whole number") from error
    if not name:
        raise DataError(f"{folder.parent}: the folder {folder.name!a} is blank: give it the name of its class")
    return name


def _number(found: _Found, classes: tuple[str, ...] | None) -> Inputs:
    labels = number_classes([name for _, _, name in found.pictures if name is not None], classes)
    pictures = [
        Input(path, split, None if name is None else labels[name], None) for path, split, name in sorted(found.pictures)
    ]
    notes = list(found.notes)
    if found.left_out:
        notes.append(f"{len(found.left_out):,} files that are no pictures are left out, the first: {found.left_out[0]}")
    return Inputs(found.root, tuple(labels), pictures, notes)


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
