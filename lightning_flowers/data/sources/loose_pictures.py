"""Pictures given where shards are expected."""

import shlex
from functools import cache
from itertools import islice
from pathlib import Path

from PIL import Image

from lightning_flowers.data.photograph import formats


def explain_pictures(path: Path) -> str | None:
    """What to do where `path` is a picture, or a folder with one among the first files in it, in its folders (classes)
    or in theirs (splits); None where it is not."""
    if path.is_file():
        return f"a picture, not shards: {_mend('FOLDER')}" if is_picture(path) else None
    files = (file for depth in ("*", "*/*", "*/*/*") for file in islice(path.glob(depth), 1000))
    return f"holds pictures, not shards: {_mend(shlex.quote(str(path)))}" if any(map(is_picture, files)) else None


def is_picture(path: Path) -> bool:
    """Whether a file is called as pictures are that can be read here."""
    return path.suffix.lower() in _suffixes()


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats())


def _mend(folder: str) -> str:
    return f"make those first, python -m lightning_flowers records convert {folder} --out=OUT, and give OUT"
