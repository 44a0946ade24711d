"""The demo data set: drawn flowers of 16 species in the competition's layout and record format, so that nothing need be
downloaded to see a run from end to end."""

import hashlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import platformdirs
import simplejpeg
from filelock import FileLock
from tqdm import tqdm

from lightning_flowers.data.sources.demo.draw import draw_flower
from lightning_flowers.data.sources.demo.species import SPECIES
from lightning_flowers.data.tfrecord.writer import Record, write_split
from lightning_flowers.errors import UserError
from lightning_flowers.files import csv_text, write_text

VERSION = 3  # of the drawings: another one gets another folder
SIZE = 192
PICTURES_PER_SPECIES = {"train": 44, "val": 10, "test": 9}
SHARDS = {"train": 4, "val": 2, "test": 2}
JPEG_QUALITY = 95
TABLES = ("sample_submission.csv", "test_labels.csv")


def ensure(folder: Path | None = None) -> Path:
    """The demo data set's root, made if it is not there.

    Any number of processes may ask at once; none sees half a data set.

    Args:
        folder: where it lies, and nothing else does; else a folder of its own in the user's cache folder.

    Raises:
        UserError: the folder cannot be written.
    """
    root = folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / f"demo-petals-{VERSION}"
    if not root.is_dir():
        try:
            _make(root)
        except OSError as error:
            raise UserError(
                f"{root}: the demo petals cannot be written there: {error.strerror or error}; "
                "make room, set XDG_CACHE_HOME to another folder, or give --data.root"
            ) from error
    return root


def write(root: Path, seed: int = 0) -> None:
    """Draw the demo data set into `root`; the same seed gives the same bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    write_text(root / "classes.txt", "".join(f"{species.name}\n" for species in SPECIES))
    total = sum(PICTURES_PER_SPECIES.values()) * len(SPECIES)
    with tqdm(total=total, desc="drawing demo petals", unit="picture", disable=None) as bar:
        for number, name in enumerate(PICTURES_PER_SPECIES):
            records = _draw_split(number, name, seed, bar)
            if name == "test":  # as the competition gives them; their labels go to a table of their own
                for table, labels in zip(TABLES, ([0] * len(records), [one.label for one in records]), strict=True):
                    rows = zip([one.id for one in records], labels, strict=True)
                    write_text(root / table, csv_text(("id", "label"), rows))
                records = [record._replace(label=None) for record in records]
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


def _make(root: Path) -> None:
    """Draw beside `root`, and name the whole so; other processes wait, and find it done."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(root.with_name(f".{root.name}.lock")):
        if not root.is_dir():
            tqdm.write(f"drawing the demo petals, once, into {root}", file=sys.stderr)
            with tempfile.TemporaryDirectory(
                prefix=f".{root.name}.", dir=root.parent, ignore_cleanup_errors=True
            ) as work:
                write(Path(work) / "fresh")
                (Path(work) / "fresh").rename(root)


def _folder(root: Path, split: str) -> Path:
    return root / f"tfrecords-jpeg-{SIZE}x{SIZE}" / split
