"""The data set at a root of any kind: shards as they are, pictures of any kind as shards that are made of them once."""

import hashlib
import json
import os
import sys
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path

import platformdirs
from tqdm import tqdm

from lightning_flowers.data.conversion.convert import Settings, convert
from lightning_flowers.data.conversion.hubs import fetch, is_hub
from lightning_flowers.data.conversion.inputs import Inputs
from lightning_flowers.data.conversion.kinds import read_pictures
from lightning_flowers.data.conversion.names import Features
from lightning_flowers.data.sources.competition import DEFAULT_SIZE, Source, find_sizes, open_source
from lightning_flowers.data.sources.demo import dataset as demo
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.files import make_once
from lightning_flowers.secrets import MEND, is_missing

KAGGLE_MOUNTS = (
    Path("/kaggle/input/competitions/tpu-getting-started"),
    Path("/kaggle/input/tpu-getting-started"),
    Path("/kaggle/input/competitions/flower-classification-with-tpus"),
    Path("/kaggle/input/flower-classification-with-tpus"),
)
REMOTE_LIMIT = 20 * 10**9


def open_data(
    root: str | os.PathLike[str] | None,
    size: int | None = None,
    features: Features | None = None,
    skip_bad: bool = False,
    remote_limit: int = REMOTE_LIMIT,
    extra: bool = False,
) -> Source:
    """The data set at `root`: see `find_source` of shards; of pictures the shards of `size` pixels that were made of
    just these before, or are made now, which is told in a line.

    Args:
        root: a folder, a file, or a URL.
        size: side of the pictures that shards are made of. Default: 224.
        features: names of what holds image, label and id in files that have such, where they are not the usual ones.
        skip_bad: leave out pictures that cannot be read.
        remote_limit: bytes that shards of URLs may take on this host.
        extra: it is beside another, whose `features` folders pass over; no val is drawn, as nobody would use it.

    Raises:
        DataError: no data of any kind there, or data that cannot be used.
        UserError: a setting that cannot be, or the shards cannot be written.
    """
    root = root if root is None else os.fspath(root)
    if root == "":
        raise UserError("--data.root=: give a folder, a file or a URL, or leave it out")
    place = fetch(root) if root is not None and is_hub(root) else root
    if place is None or is_url(str(place)) or holds_shards(Path(place)) or not Path(place).expanduser().exists():
        return find_source(None if place is None else str(place), remote_limit)
    settings = Settings(DEFAULT_SIZE if size is None else size, val_fraction=0.0 if extra else None, skip=skip_bad)
    try:
        kind, inputs = read_pictures(Path(place).expanduser(), features, extra)
        folder = _converted(kind, inputs, settings, root or "", features or {})
    except DataError as error:
        said = error.args[0]
        about = str(Path(place).expanduser())  # of most the beginning; else the pictures as a whole are meant
        named = said if said.startswith(about) else f"{about}: {said}"
        raise DataError(said if said.startswith("--data.") else f"--data.root={named}") from error
    where = str(root) if is_hub(str(root)) else str(Path(place).expanduser().resolve())
    return replace(open_source(folder), origin=where)


def find_source(root: str | None, remote_limit: int = REMOTE_LIMIT) -> Source:
    """Look for the data: at `root`, else on Kaggle's mounts, else the demo petals (made if need be).

    Args:
        root: a folder, or a URL that fsspec reads (`gs://`, `s3://`, `https://` with a listing.txt).
        remote_limit: bytes that shards of URLs may take on this host.

    Raises:
        DataError: no such folder or URL, or no shards in it; says what was expected.
        UserError: a URL whose secrets were left out.
    """
    if root is not None and is_url(root):
        if is_missing(root):
            raise UserError(f"--data.root={root}: {MEND}")
        from lightning_flowers.data.sources.remote.source import open_remote  # late: fsspec takes a while to import

        return open_remote(root, remote_limit)
    if root is not None:
        return open_source(Path(root).expanduser())
    mounted = next((mount for mount in KAGGLE_MOUNTS if mount.is_dir()), None)
    return open_source(mounted or demo.ensure())


def is_url(root: str) -> bool:
    """Whether `root` is a URL rather than a folder."""
    return "://" in root


def holds_shards(root: Path) -> bool:
    """Whether a folder holds shards in the competition's layout, or is one of them."""
    return root.expanduser().is_dir() and bool(find_sizes(root.expanduser()))


def _converted(kind: str, inputs: Inputs, settings: Settings, root: str, features: Features) -> Path:
    """The folder of the shards, in the user's cache folder; its name tells just these pictures from all others."""
    told = [dict(sorted(features.items()))] if features else []  # another column's pictures have the same names
    content = json.dumps([asdict(settings), inputs.classes, _describe(inputs), *told])
    key = hashlib.sha256(content.encode()).hexdigest()[:12]
    base = Path(platformdirs.user_cache_dir("lightning_flowers")) / "converted"
    folder = base / f"{Path(root).expanduser().resolve().stem}-{settings.size}px-{key}"
    return make_once(folder, partial(_convert, kind, inputs, settings, root), "the converted pictures")


def _convert(kind: str, inputs: Inputs, settings: Settings, root: str, folder: Path) -> None:
    given = any(one.split == "val" for one in inputs.pictures)
    val = "" if given or settings.val_fraction == 0 else "; a fifth of each class, drawn with seed 0, becomes val"
    count = len(inputs.pictures)
    _say(f"converting {count:,} pictures ({kind}: {root}) to {settings.size} px, once, into {folder}{val}")
    for note in inputs.notes:
        _say(f"note: {note}")
    done = convert(inputs, folder, settings)
    if done.bad:
        _say(f"{len(done.bad):,} pictures were left out: see {folder / 'skipped.csv'}")
    if val and not any(one.split == "val" for one in done.pictures):
        _say("note: no class has enough pictures for that: there is no val")
    for note in done.notes():
        _say(f"note: {note}")


def _describe(inputs: Inputs) -> list[list[object]]:
    """The pictures, with their files' sizes and times of change; None of those that are not there."""
    read = cache(_size_and_time)  # a file may hold many pictures
    return [[one.path, one.split, one.label, one.id, *read(one.file)] for one in inputs.pictures]


def _size_and_time(file: Path) -> tuple[int | None, int | None]:
    try:
        status = file.stat()
    except OSError:
        return None, None
    return status.st_size, status.st_mtime_ns


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
