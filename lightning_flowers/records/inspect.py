"""`records inspect`: what shards hold, from their names, their index and their first records."""

import io

import numpy as np
from PIL import Image

from lightning_flowers.data.cache.free_space import readable
from lightning_flowers.data.sources.competition import SPLITS
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.example import Feature, read_example
from lightning_flowers.errors import DataError
from lightning_flowers.markdown import text_table
from lightning_flowers.records.selection import Part, choose_parts, find
from lightning_flowers.records.text import say

_NAMED = 6  # absent classes that are told by name


def inspect_records(
    root: str | None = None, size: int | None = None, splits: str = "train,val,test", first: int = 3
) -> int:
    """Tell what shards hold.

    Args:
        root: the data set's folder.
        size: side of the pictures in pixels. Default: all sizes there are.
        splits: names with commas between.
        first: records of each split to show.
    """
    source = find(root)
    looked = [(part, _open(part)) for part in choose_parts(source, size, splits)]
    say(f"{source.root}: {len(source.classes)} classes")
    header = ("px", "split", "shards", "records", "size", "classes", "records a class")
    rows = [_row(part, split) for part, split in looked if isinstance(split, Split)]
    say(f"\n{text_table(header, rows, ('px', 'shards', 'records'))}" if rows else "")
    for each in sorted({part.size for part, _ in looked}):
        if missing := [name for name in SPLITS if not source.has(name, each)]:
            say(f"odd: {each} px has no {' and no '.join(missing)}")
    for part, split in looked:
        if isinstance(split, str):
            say(f"\n{part}: damaged (see records verify): {split}")
        else:
            _say_details(part, split, first)
    return 0


def _open(part: Part) -> Split | str:
    try:
        return part.open()
    except DataError as error:
        return str(error)


def _row(part: Part, split: Split) -> tuple[object, ...]:
    counts = np.bincount(split.labels[split.labels >= 0])
    counts = counts[counts > 0]
    present = f"{len(counts)} of {len(part.source.classes)}" if len(counts) else "-"
    span = f"{counts.min():,} to {counts.max():,}" if len(counts) else "not labelled"
    size = readable(sum(shard.bytes or 0 for shard in split.shards))
    return part.size, part.split, len(split.shards), len(split), size, present, span


def _say_details(part: Part, split: Split, first: int) -> None:
    classes = part.source.classes
    records, record = split.find(0)
    payload = records.payload(record)
    features = sorted(read_example(memoryview(payload), 0, len(payload)).items())
    say(f"\n{part}: {', '.join(f'{name} ({_describe(feature)})' for name, feature in features)}")
    shown = range(min(first, len(split)))
    rows = [_record(split, position, classes) for position in shown]
    if rows:
        say(text_table(("record", "id", "class", "bytes", "picture"), rows, ["bytes"]))
    absent = [name for label, name in enumerate(classes) if label not in split.labels] if part.split != "test" else []
    if absent:
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        say(f"  odd: no record of {', '.join(absent[:_NAMED])}{more}")


def _describe(feature: Feature) -> str:
    if feature.kind == "bytes" and len(feature.spans) == 1:
        return f"bytes: {feature.spans[0][1] - feature.spans[0][0]:,} long"
    count = len(feature.spans) + len(feature.ints)
    return feature.kind if feature.kind in ("float", "nothing") else f"{feature.kind}: {count} value{'s'[: count != 1]}"


def _record(split: Split, position: int, classes: tuple[str, ...]) -> tuple[object, ...]:
    records, record = split.find(position)
    encoded, label = records.image_bytes(record), split.label(position)
    named = f"{label} {classes[label]}" if label >= 0 else "-"
    return f"{records.path.stem}:{record}", records.ids[record], named, len(encoded), _picture(encoded)


def _picture(encoded: memoryview) -> str:
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            return f"{picture.format} {picture.width}x{picture.height}"
    except (OSError, ValueError):
        return "no picture that can be read"
