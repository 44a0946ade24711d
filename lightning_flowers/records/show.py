"""`records show`: pictures with the names of their classes, as they are stored and as training sees them."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import UserError, did_you_mean
from lightning_flowers.files import atomic_file, free_path
from lightning_flowers.records.selection import choose_parts, find
from lightning_flowers.records.text import say

_COLUMNS = 5  # pictures beside each other, or pairs of them
Titled = tuple[NDArray[np.uint8], str]  # a picture (size, size, 3), and what stands over it


def show_records(
    root: str | None = None,
    size: int | None = None,
    split: str = "train",
    count: int = 20,
    classes: str | None = None,
    augment: str | None = None,
    seed: int = 0,
    out: str | None = None,
) -> int:
    """Draw a grid of pictures.

    Args:
        root: the data set's folder.
        size: side of the pictures in pixels. Default: the one nearest to 224.
        split: train, val or test.
        count: pictures to show.
        classes: names to choose from, with commas between. Default: all.
        augment: what --data.augment takes, such as study: each picture stands beside its augmented self.
        seed: of the choice, and of the augmentation, as of the first epoch of `fit --seed_everything`.
        out: PNG to write. Default: records.png, or the next name that is free.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if value < least:
            raise UserError(f"--{name}={value}: must be at least {least}")
    if split not in SPLITS:
        raise UserError(f"--split={split}: must be one of {', '.join(SPLITS)}")
    source = find(root)
    (part,) = choose_parts(source, source.choose_size(size), split)
    path = free_path(out, "records.png")
    records = part.open()
    positions = _choose(records, _labels(classes, source.classes), count, seed)
    shown = [(records[position].picture, _title(records, position, source.classes)) for position in positions]
    if augment is not None:
        shown = _beside_augmented(shown, positions, augment, seed)
    with atomic_file(path) as file:
        _draw(shown, _COLUMNS if augment is None else 2 * _COLUMNS).savefig(file, format="png")
    say(f"written: {path} ({len(positions)} of {len(records):,} records of {part})")
    return 0


def _labels(wanted: str | None, classes: Sequence[str]) -> list[int] | None:
    names = [] if wanted is None else [name.strip() for name in wanted.split(",")]
    if unknown := next((name for name in names if name not in classes), None):
        raise UserError(f"--classes={unknown}: no such class{did_you_mean(unknown, classes)}: see classes.txt")
    return None if wanted is None else [classes.index(name) for name in names]


def _choose(split: Split, labels: list[int] | None, count: int, seed: int) -> list[int]:
    positions = np.arange(len(split)) if labels is None else np.flatnonzero(np.isin(split.labels, labels))
    if not len(positions):
        raise UserError(f"--classes: {split.name} has no record of them")
    chosen = np.random.default_rng(seed).permutation(positions)[:count]
    return sorted(chosen.tolist(), key=lambda position: (split.label(position), position))


def _title(split: Split, position: int, classes: Sequence[str]) -> str:
    label = split.label(position)
    return classes[label] if label >= 0 else str(split.ids[position])


def _beside_augmented(shown: list[Titled], positions: list[int], spec: str, seed: int) -> list[Titled]:
    from lightning_flowers.data.augmentation.augment import Augment  # imported late: it takes seconds

    augment = Augment(spec, len(shown[0][0]))
    beside = [
        (augment(picture, seed, 0, position), "augmented")
        for (picture, _), position in zip(shown, positions, strict=True)
    ]
    return [one for pair in zip(shown, beside, strict=True) for one in pair]


def _draw(shown: list[Titled], columns: int) -> Figure:
    """Pictures in rows and columns, each under its title."""
    columns = min(columns, len(shown))
    figure = Figure(figsize=(columns * 1.9, -(-len(shown) // columns) * 2.3), dpi=120, layout="constrained")
    for number, (picture, title) in enumerate(shown, start=1):
        axes = figure.add_subplot(-(-len(shown) // columns), columns, number)
        axes.imshow(picture)
        axes.set_axis_off()
        axes.set_title(fill(title, 25, max_lines=2, placeholder="..."), fontsize=8, pad=3, parse_math=False)
    return figure
