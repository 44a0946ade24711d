"""`records stats`: how many records each class has, and pictures that are there twice."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import UserError
from lightning_flowers.files import atomic_file, csv_text, free_path, write_text
from lightning_flowers.parallel import in_order
from lightning_flowers.records.duplicates import BITS, Pair, Seen, as_table, find_pairs, perceptual_hash
from lightning_flowers.records.selection import Part, choose_parts, find
from lightning_flowers.records.text import bar, say


def stats_records(
    root: str | None = None,
    size: int | None = None,
    splits: str = "train,val,test",
    distance: int = 48,
    out: str | None = None,
) -> int:
    """Count and compare the pictures.

    Args:
        root: the data set's folder.
        size: side of the pictures in pixels. Default: the one nearest to 224.
        splits: names with commas between.
        distance: pictures are near-duplicates if their perceptual hashes differ in this many of 256 bits, or fewer.
        out: folder to write classes.png, classes.csv and duplicates.csv to. Default: records-stats, or the next name
            that is free.
    """
    if not 0 <= distance < BITS // 2:
        raise UserError(
            f"--distance={distance}: must be 0 to {BITS // 2 - 1}: unrelated pictures differ in {BITS // 2}"
        )
    source = find(root)
    parts = choose_parts(source, source.choose_size(size), splits)
    folder = free_path(out, "records-stats")
    opened = {part.split: part.open() for part in parts}
    hashes = np.concatenate([_hash_all(part, opened[part.split]) for part in parts])
    start = time.perf_counter()
    pairs = find_pairs([one for name, split in opened.items() for one in _seen(name, split)], hashes, distance)
    seconds = time.perf_counter() - start
    counts = {
        name: np.bincount(split.labels, minlength=len(source.classes))
        for name, split in opened.items()
        if name != "test"
    }
    if counts:
        _draw_histogram(folder / "classes.png", source.classes, counts)
        columns = zip(source.classes, *(count.tolist() for count in counts.values()), strict=True)
        rows = ((label, *row) for label, row in enumerate(columns))
        write_text(folder / "classes.csv", csv_text(("label", "class", *counts), rows))
    write_text(folder / "duplicates.csv", csv_text(Pair._fields, pairs))
    compared = len(hashes) * (len(hashes) - 1) // 2
    say(f"near-duplicates, {distance} of {BITS} bits or fewer apart ({compared:,} pairs in {seconds:.1f} s):")
    say(as_table(pairs, [*opened]))
    leaks = sum(pair.leak for pair in pairs)
    say(f"{leaks:,} pairs leak from one split to another" if leaks else "no picture was found in two splits")
    say(f"written: {folder}/{', '.join(sorted(path.name for path in folder.iterdir()))}")
    return 0


def _hash_all(part: Part, split: Split) -> NDArray[np.int8]:
    """The hash of every picture, int8 (records, BITS)."""
    hashes = np.empty((len(split), BITS), np.int8)
    with bar(len(split), f"looking at {part}", "picture") as progress:
        found = in_order(lambda position: perceptual_hash(split[position].picture), range(len(split)))
        for position, bits in enumerate(found):
            hashes[position] = bits
            progress.update()
    return hashes


def _seen(name: str, split: Split) -> list[Seen]:
    pairs = zip(split.ids.tolist(), split.labels.tolist(), strict=True)
    return [Seen(name, identity, None if label < 0 else label) for identity, label in pairs]


def _draw_histogram(path: Path, classes: Sequence[str], counts: Mapping[str, NDArray[np.int64]]) -> None:
    """The classes' counts as bars, the largest class first."""
    from matplotlib.figure import Figure

    order = np.argsort(sum(counts.values(), np.zeros(len(classes), np.int64)), kind="stable")
    names = [str(classes[label]).replace("$", r"\$") for label in order.tolist()]
    figure = Figure(figsize=(8, 0.19 * len(order) + 1.2), dpi=130, layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(order), np.int64)
    for name, count in counts.items():
        axes.barh(range(len(order)), count[order], left=left, label=name)
        left = left + count[order]
    axes.set_yticks(range(len(order)), names, fontsize=8)
    axes.set(xlabel="records", ylim=(-0.6, len(order) - 0.4))
    axes.legend(loc="lower right")
    with atomic_file(path) as part:
        figure.savefig(part, format="png")
