"""The demo data set: drawn flowers of 16 species in the competition's layout and record format, so that nothing need be
downloaded to see a run from end to end."""

import csv
import errno
import hashlib
import itertools
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import platformdirs
import simplejpeg
from tqdm import tqdm

from lightning_flowers.data.sources.demo.draw import draw_flower
from lightning_flowers.data.sources.demo.species import SPECIES
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.tfrecord.writer import Record, write_split
from lightning_flowers.errors import DataError, UserError

VERSION = 1  # of the drawings: another one gets another folder
SIZE = 192
PICTURES_PER_SPECIES = {"train": 44, "val": 10, "test": 9}
SHARDS = {"train": 4, "val": 2, "test": 2}
JPEG_QUALITY = 95
CLASSES = "".join(f"{species.name}\n" for species in SPECIES)


def ensure(folder: Path | None = None) -> Path:
    """The demo data set's root, made if it is not there and made anew if it is damaged.

    Any number of processes may ask at once; none sees half a data set.

    Args:
        folder: where it lies, and nothing else does; else a folder of its own in the user's cache folder.

    Raises:
        UserError: the folder cannot be written.
    """
    root = folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / f"demo-petals-{VERSION}"
    if not is_whole(root):
        try:
            _replace(root)
        except OSError as error:
            raise UserError(
                f"{root}: the demo petals cannot be written there: {error.strerror or error}; "
                "make room, set XDG_CACHE_HOME to another folder, or give --data.root"
            ) from error
    return root


def is_whole(root: Path) -> bool:
    """Whether the demo data set is there with every record undamaged (CRCs are checked) and its tables."""
    try:
        records = all(_is_whole_split(root, name) for name in PICTURES_PER_SPECIES)
        tables = all((root / name).stat().st_size for name in ("sample_submission.csv", "test_labels.csv"))
        return records and tables and (root / "classes.txt").read_text("utf-8") == CLASSES
    except (DataError, OSError, UnicodeDecodeError):
        return False


def _is_whole_split(root: Path, name: str) -> bool:
    split = open_split(_folder(root, name), SIZE, len(SPECIES), labelled=name != "test")
    for position in range(len(split)):
        split.image_bytes(position)
    return len(split) == PICTURES_PER_SPECIES[name] * len(SPECIES)


def write(root: Path, seed: int = 0) -> None:
    """Draw the demo data set into `root`; the same seed gives the same bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text(CLASSES, "utf-8")
    tqdm.write(f"drawing the demo petals, once, into {root.parent}", file=sys.stderr)
    total = sum(PICTURES_PER_SPECIES.values()) * len(SPECIES)
    with tqdm(total=total, desc="drawing demo petals", unit="picture", disable=None) as bar:
        for number, name in enumerate(PICTURES_PER_SPECIES):
            records = _draw_split(number, name, seed, bar)
            if name == "test":
                records = _without_labels(root, records)
            write_split(_folder(root, name), SIZE, records, SHARDS[name])


def _draw_split(number: int, name: str, seed: int, bar: tqdm) -> list[Record]:
    labels = np.repeat(np.arange(len(SPECIES)), PICTURES_PER_SPECIES[name])
    np.random.default_rng([seed, number]).shuffle(labels)

    def draw(position: int) -> Record:
        label = int(labels[position])
        picture = draw_flower(label, SIZE, np.random.default_rng([seed, number, position]))
        identity = hashlib.sha256(f"{seed}/{name}/{position}".encode()).hexdigest()[:9]
        image = simplejpeg.encode_jpeg(picture, quality=JPEG_QUALITY, colorsubsampling="444")
        bar.update()
        return Record(image, label, identity)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(draw, range(len(labels))))


def _without_labels(root: Path, records: Sequence[Record]) -> list[Record]:
    """The test split's records as the competition gives them; their labels go to a table of their own."""
    _write_csv(root / "sample_submission.csv", [(record.id, 0) for record in records])
    _write_csv(root / "test_labels.csv", [(record.id, record.label) for record in records])
    return [record._replace(label=None) for record in records]


def _replace(root: Path) -> None:
    """Draw beside `root` and put the whole in its place at once, so that no other process sees half of it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent, ignore_cleanup_errors=True) as work:
        fresh = Path(work) / "fresh"
        write(fresh)
        for attempt in itertools.count():
            if _moved(fresh, root) or is_whole(root):
                return
            with suppress(FileNotFoundError):  # another process was quicker to take the damaged one away
                root.rename(Path(work) / f"damaged-{attempt}")


def _moved(fresh: Path, root: Path) -> bool:
    """Rename `fresh` to `root` unless there is a folder with something in it, damaged or put there meanwhile."""
    try:
        fresh.rename(root)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        return False
    return True


def _folder(root: Path, split: str) -> Path:
    return root / f"tfrecords-jpeg-{SIZE}x{SIZE}" / split


def _write_csv(path: Path, rows: list[tuple[str, int | None]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([("id", "label"), *rows])
