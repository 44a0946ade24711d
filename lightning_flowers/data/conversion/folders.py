"""Pictures in folders: ROOT/CLASS/*, or ROOT/{train,val,test}/CLASS/*, where test may hold its pictures directly."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_flowers.data.conversion.inputs import Input
from lightning_flowers.data.conversion.names import split_called
from lightning_flowers.errors import DataError


def read_folder(root: Path, files: Sequence[Path]) -> Iterator[Input]:
    """The pictures of a folder tree, each with the class that its folder names.

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
    for path, place in zip(files, places, strict=True):
        if str(place) != str(place).encode("utf-8", "ignore").decode():
            raise DataError(f"{root}: the name {str(place)!a} is no UTF-8: rename it")
        folders = list(place.parts[:-1])
        split = split_called(folders.pop(0)) if splits and folders else None
        if len(folders) > 1:
            raise DataError(
                f"{path.parent}: a folder where pictures were expected: give ROOT/CLASS/* or ROOT/SPLIT/CLASS/*"
            )
        if not folders and split != "test":
            raise DataError(f"{path}: a picture outside the classes' folders: move it into one")
        yield Input(place.as_posix(), path, split, told=folders[0] if folders else None)
