"""What is given to be classified: files, all pictures of folders, URLs, standard input."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.classify.fetching import fetch
from lightning_flowers.data.photograph import MAX_BYTES, File, PictureError, is_picture
from lightning_flowers.secrets import bare

STANDARD_INPUT = "-"


class PictureInput(NamedTuple):
    """A picture: its name, and what opens it, which may raise a PictureError."""

    name: str
    open: Callable[[], File]


def expand(arguments: Iterable[str]) -> Iterator[PictureInput]:
    """The pictures that arguments name: of a folder, all below it that are called as pictures are, sorted by path."""
    for argument in arguments:
        if argument == STANDARD_INPUT:
            yield PictureInput("standard input", _read_standard_input)
        elif argument.lower().startswith(("http://", "https://")):
            yield PictureInput(bare(argument), partial(fetch, argument))
        elif os.path.isdir(argument):  # noqa: PTH112 - Path's raises for a name that is too long
            yield from _of_folder(Path(argument))
        else:
            yield PictureInput(argument, partial(Path, argument))


def _of_folder(folder: Path) -> Iterator[PictureInput]:
    # Hidden files are left out: such as ._rose.jpg, which a Mac leaves beside each file on a foreign disk.
    found = [path for path in sorted(folder.rglob("*")) if is_picture(path) and not path.name.startswith(".")]
    if not found:
        yield PictureInput(str(folder), partial(_fail, "holds no picture"))
    for path in found:
        yield PictureInput(str(path), partial(Path, path))


def _read_standard_input() -> File:
    if sys.stdin.isatty():
        raise PictureError("is the keyboard: send a picture through a pipe")
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _fail(why: str) -> File:
    raise PictureError(why)
