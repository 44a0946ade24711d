"""The demo data set: drawn flowers of 16 species in the competition's layout and record format, so that nothing need be
downloaded to see a run from end to end."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import platformdirs
from tqdm import tqdm

from lightning_flowers.data.conversion.convert import Settings, convert
from lightning_flowers.data.conversion.inputs import Input, Inputs
from lightning_flowers.data.sources.demo.draw import draw_flower
from lightning_flowers.data.sources.demo.species import SPECIES
from lightning_flowers.files import make_once

VERSION = 4  # of the drawings: another one gets another folder
SIZE, SHARDS = 192, 4  # of each split
PICTURES_PER_SPECIES = {"train": 44, "val": 10, "test": 9}


def ensure(folder: Path | None = None) -> Path:
    """The demo data set's root, made if it is not there.

    Any number of processes may ask at once; none sees half a data set.

    Args:
        folder: where it lies, and nothing else does; else a folder of its own in the user's cache folder.

    Raises:
        UserError: the folder cannot be written.
    """
    root = folder or Path(platformdirs.user_cache_dir("lightning_flowers")) / f"demo-petals-{VERSION}"
    return make_once(root, write, "the demo petals", ", or give --data.root")


def write(root: Path, seed: int = 0) -> None:
    """Draw the demo data set into `root`; the same seed gives the same bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    tqdm.write(f"drawing the demo petals, once, into {root}", file=sys.stderr)
    pictures = [
        Input(
            f"{split}/{species.name}/{number}",
            root,
            split,
            read=partial(_draw, label, [seed, place, label, number]),
            label=label,
        )
        for place, (split, count) in enumerate(PICTURES_PER_SPECIES.items())
        for label, species in enumerate(SPECIES)
        for number in range(count)
    ]
    names = tuple(species.name for species in SPECIES)
    convert(Inputs(root, names, pictures), root, Settings(SIZE, shards=SHARDS, seed=seed), "drawing demo petals")


def _draw(species: int, key: list[int]) -> bytes:
    """A picture as a PPM file, with the random numbers of `key`."""
    picture = draw_flower(species, SIZE, np.random.default_rng(key))
    return b"P6 %d %d 255\n" % (SIZE, SIZE) + picture.tobytes()
