"""Demo petals: drawn flowers of 16 species in the competition's layout and record format, so that nothing need be
downloaded to see a run from end to end."""

import csv
import hashlib
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import platformdirs
import simplejpeg
from tqdm import tqdm

from lightning_flowers.data.draw import SPECIES, draw_flower
from lightning_flowers.data.split import Split
from lightning_flowers.data.writer import Record, write_split
from lightning_flowers.errors import DataError, UserError

VERSION = 1  # of the drawings: another one gets another folder
SIZE = 192
PICTURES_PER_SPECIES = {"train": 44, "val": 10, "test": 9}
SHARDS = {"train": 4, "val": 2, "test": 2}
JPEG_QUALITY = 95


def ensure(folder: Path | None = None) -> Path:
    """The demo data set's root, made if it is not there and made anew if it is damaged.

    Args:
        folder: where it lies; else in the user's cache folder.

    Raises:
        UserError: the folder cannot be written.
    """
    root = folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / f"demo-petals-{VERSION}"
    if not is_whole(root):
        try:
            _replace(root)
        except OSError as error:
            raise UserError(
                f"{root}: the demo petals cannot be written there: {error.strerror}; "
                "make room, set XDG_CACHE_HOME to another folder, or give --data.root"
            ) from error
    return root


def is_whole(root: Path) -> bool:
    """Whether every record of the demo data set is there and undamaged."""
    try:
        for name, per_species in PICTURES_PER_SPECIES.items():
            split = Split(_folder(root, name), SIZE, len(SPECIES), labelled=name != "test")
            if len(split) != per_species * len(SPECIES):
                return False
            for position in range(len(split)):
                split.image_bytes(position)
    except DataError:
        return False
    return all((root / name).is_file() for name in ("classes.txt", "sample_submission.csv", "test_labels.csv"))


def write(root: Path, seed: int = 0) -> None:
    """Draw the demo data set into `root`; the same seed gives the same bytes."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("".join(f"{species.name}\n" for species in SPECIES), "utf-8")
    total = sum(PICTURES_PER_SPECIES.values()) * len(SPECIES)
    with tqdm(total=total, desc="drawing demo petals", unit="picture", file=sys.stderr) as bar:
        for number, name in enumerate(PICTURES_PER_SPECIES):
            records = _draw_split(number, name, seed, bar)
            if name == "test":
                _write_csv(root / "sample_submission.csv", [(record.id, 0) for record in records])
                _write_csv(root / "test_labels.csv", [(record.id, record.label) for record in records])
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


def _replace(root: Path) -> None:
    """Draw beside `root` and put the whole in its place at once, so that no other process sees half of it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        write(fresh)
        if root.exists() and not is_whole(root):
            damaged = fresh / "damaged"
            root.rename(damaged)
            shutil.rmtree(damaged)
        if not root.exists():
            fresh.rename(root)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _folder(root: Path, split: str) -> Path:
    return root / f"tfrecords-jpeg-{SIZE}x{SIZE}" / split


def _write_csv(path: Path, rows: list[tuple[str, int | None]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([("id", "label"), *rows])
