"""Pictures in WebDataset tars: files KEY.jpg beside KEY.cls, KEY.json or KEY.txt, which tell their class."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning_flowers.data.conversion.inputs import Input, read_label
from lightning_flowers.data.conversion.names import Features, find_name, split_called, split_in
from lightning_flowers.data.photograph import is_heic, is_picture
from lightning_flowers.errors import DataError

_LABELS = ("cls", "json", "txt")  # in this order: a txt may be a caption


def read_tars(base: Path, files: Sequence[Path], features: Features) -> list[Input]:
    """The pictures of WebDataset tars that are not packed, which are read where they lie in them.

    Args:
        base: the folder that the files' names start from.
        features: of the JSONs, where the class has another than the usual names; `image` is the pictures' extension,
            or several with commas between them: the first that there is beside a label.

    Raises:
        DataError: one cannot be read, a picture has no class, a label lies beside two and `image` does not tell which
            is meant, or it is of none.
    """
    wanted = [part.strip(" .") for part in features.get("image", "").lower().split(",")]
    there: set[str] = set()
    pictures = [one for file in files for one in _read_tar(base, file, wanted, features, there)]
    if "image" in features and not there.intersection(wanted):
        find_name("image", there, features, f"{files[0]}: extensions")
    return pictures


def _read_tar(base: Path, file: Path, wanted: Sequence[str], features: Features, there: set[str]) -> Iterator[Input]:
    """The pictures of a tar; what has extensions is put into `there`."""
    name = file.relative_to(base).as_posix()
    try:
        with tarfile.open(file, "r:") as tar:
            members = [member for member in tar if member.isfile() and not member.name.startswith("./.")]
            told = {member.name: member for member in members if _parts(member.name)[1] in _LABELS}
            pictures: dict[str, list[tarfile.TarInfo]] = {}
            for member in members:
                key, extension = _parts(member.name)
                there.add(extension)
                if (extension and extension in wanted) or is_picture(Path(member.name)):
                    pictures.setdefault(key, []).append(member)
            for key, alike in pictures.items():
                beside = next((told[label] for kind in _LABELS if (label := f"{key}.{kind}") in told), None)
                label, split = _read_label(tar, beside, file, features) if beside else (None, None)
                split = split or split_in(name)
                if label is None and split != "test":
                    raise DataError(
                        f"{file}: {alike[0].name} has no class: no {key}.cls, .json or .txt lies beside it, as in a "
                        "WebDataset (of a tar of folders: unpack it, and give the folder)"
                    )
                for member in _meant(alike, wanted, beside, file):
                    read = partial(read_part, file, member.offset_data, member.size)
                    yield Input(f"{name}/{member.name}", file, split, None, read, label)
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{file}: cannot be read as a tar that is not packed: {error}") from error


def _meant(
    alike: list[tarfile.TarInfo], wanted: Sequence[str], beside: tarfile.TarInfo | None, file: Path
) -> list[tarfile.TarInfo]:
    """Of the pictures of a key the one that is asked for, where there is one. A label is of one picture."""
    asked = ([member for member in alike if _parts(member.name)[1] == extension] for extension in wanted)
    readable = [member for member in alike if not is_heic(Path(member.name))]
    meant = next(filter(None, asked), readable or alike)
    if beside and len({member.name for member in meant}) > 1:
        first, second = (_parts(member.name)[1] for member in meant[:2])
        mend = f"say which is meant, --data.features.image={first}, or in which order, ={first},{second}"
        raise DataError(
            f"{file}: {beside.name} lies beside two pictures, {meant[0].name} and {meant[1].name}: "
            f"{mend if first != second else 'rename one'}"
        )
    return meant


def read_part(file: Path, offset: int, length: int) -> bytes:
    """Some bytes of a file."""
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read(length)


def _parts(path: str) -> tuple[str, str]:
    """Key and extension by WebDataset's rule: the extension begins at the first dot of the name."""
    folder, slash, name = path.rpartition("/")
    key, _, extension = name.partition(".")
    return f"{folder}{slash}{key}", extension.lower()


def _read_label(
    tar: tarfile.TarFile, member: tarfile.TarInfo, file: Path, features: Features
) -> tuple[str | int | None, str | None]:
    """The class that a file beside a picture tells, and the split, if it tells that too."""
    opened = tar.extractfile(member)
    assert opened is not None  # a regular file
    try:
        text: Any = opened.read().decode("utf-8-sig").strip()
        if not member.name.endswith(".json"):
            return read_label(text), None
        content = json.loads(text)
        chosen = find_name(
            "label", content if isinstance(content, dict) else (), features, f"{file}: {member.name}: keys"
        )
        assert chosen is not None
        label = content[chosen]
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise ValueError(f"{chosen} is neither a name nor a whole number")
        return label if isinstance(label, int) else read_label(label), split_called(str(content.get("split", "")))
    except ValueError as error:
        raise DataError(f"{file}: {member.name}: tells no class: {error}") from error
