"""`records stats`: how many records each class has, the mean colour, and pictures that are there twice."""

import time

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.files import atomic_file, csv_text, write_text
from lightning_flowers.records.duplicates import BITS, Pair, as_table, find_pairs
from lightning_flowers.records.selection import choose_parts, choose_size, find
from lightning_flowers.records.survey import Survey, survey
from lightning_flowers.records.text import choose_out, say


def stats_records(
    root: str | None = None,
    size: int | None = None,
    splits: str = "train,val,test",
    distance: int = 48,
    out: str | None = None,
) -> int:
    """Count, measure and compare the pictures.

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
    size = choose_size(source, size)
    parts = choose_parts(source, size, splits)
    folder = choose_out(out, "records-stats")
    surveys = [survey(part, len(source.classes)) for part in parts]
    start = time.perf_counter()
    seen = [one for each in surveys for one in each.seen]
    pairs = find_pairs(seen, np.concatenate([one.hashes for one in surveys]), distance)
    seconds = time.perf_counter() - start
    counts = {one.name: _count(one, len(source.classes)) for one in surveys if (one.labels >= 0).any()}
    if counts:
        from lightning_flowers.records.histogram import draw_histogram

        with atomic_file(folder / "classes.png") as part:
            draw_histogram(part, source.classes, counts, f"{source.root.absolute().name}, {size} px")
        columns = zip(source.classes, *(count.tolist() for count in counts.values()), strict=True)
        rows = ((label, *row) for label, row in enumerate(columns))
        write_text(folder / "classes.csv", csv_text(("label", "class", *counts), rows))
    write_text(folder / "duplicates.csv", csv_text(Pair._fields, pairs))
    _report(surveys, counts, pairs, distance, seconds)
    say(f"written: {folder}/{', '.join(sorted(path.name for path in folder.iterdir()))}")
    return 0


def _count(one: Survey, classes: int) -> NDArray[np.int64]:
    return np.bincount(one.labels[one.labels >= 0], minlength=classes)


def _report(
    surveys: list[Survey], counts: dict[str, NDArray[np.int64]], pairs: list[Pair], distance: int, seconds: float
) -> None:
    for one in surveys:
        say(f"{one.name}: {len(one.seen):,} records{_describe_counts(counts.get(one.name))}")
        if one.name == "train":
            say(f"  mean {_three(one.mean)}, std {_three(one.std)} (red, green, blue in 0..1, over all pixels)")
    records = sum(len(one.seen) for one in surveys)
    compared = records * (records - 1) // 2
    say(f"near-duplicates, {distance} of {BITS} bits or fewer apart ({compared:,} pairs in {seconds:.1f} s):")
    say(as_table(pairs, [one.name for one in surveys]))
    leaks = sum(pair.leak for pair in pairs)
    say(f"{leaks:,} pairs leak from one split to another" if leaks else "no picture was found in two splits")


def _describe_counts(count: NDArray[np.int64] | None) -> str:
    if count is None:
        return ""
    present = count[count > 0]
    few = f"{present.min():,} to {present.max():,} a class, median {np.median(present):,.0f}"
    return f", {len(present)} of {len(count)} classes, {few}"


def _three(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
