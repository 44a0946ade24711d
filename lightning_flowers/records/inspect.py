"""`records inspect`: what shards hold, from their names, their index and their first records."""

import io
import json as json_format
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from lightning_flowers.data.sources.competition import SPLITS, Source
from lightning_flowers.data.tfrecord.example import Feature, read_example
from lightning_flowers.data.tfrecord.index import Rules, ShardRecords
from lightning_flowers.errors import DataError
from lightning_flowers.records.selection import Part, choose_parts, find, list_shards, without_path
from lightning_flowers.records.text import megabytes, say, table

_NAMED = 6  # absent classes that are told by name


def inspect_records(
    root: str | None = None, size: int | None = None, splits: str = "train,val,test", first: int = 3, json: bool = False
) -> int:
    """Tell what shards hold.

    Args:
        root: the data set's folder.
        size: side of the pictures in pixels. Default: all sizes there are.
        splits: names with commas between.
        first: records of each split to show.
        json: print one JSON object in place of tables.
    """
    source = find(root)
    looks = [_look(part, source.classes, first) for part in choose_parts(source, size, splits)]
    if json:
        say(json_format.dumps({"root": str(source.root), "classes": source.classes, "splits": looks}, indent=1))
        return 0
    say(f"{source.root}: {len(source.classes)} classes")
    say()
    header = ("px", "split", "shards", "records", "size", "classes", "records a class")
    say(table(header, [_row(look, len(source.classes)) for look in looks]))
    _say_missing_splits(source, looks)
    for look in looks:
        _say_details(look, source.classes)
    return 0


def _say_missing_splits(source: Source, looks: list[dict[str, Any]]) -> None:
    for size in sorted({look["size"] for look in looks}):
        missing = [name for name in SPLITS if not source.has(name, size)]
        if missing:
            say(f"odd: {size} px has no {' and no '.join(missing)}")


def _look(part: Part, classes: tuple[str, ...], first: int) -> dict[str, Any]:
    """What one split holds, in types that JSON knows."""
    paths, odd = list_shards(part.folder, part.size)
    seen: dict[str, Any] = {"features": [], "first": [], "odd": [f"{item.path.name}: {item.what}" for item in odd]}
    labels: Counter[int] = Counter()
    records = size = 0
    for path in paths:
        try:
            shard = ShardRecords(path, Rules(len(classes), part.labelled))
            _look_at_first(shard, classes, first - len(seen["first"]), seen)
        except DataError as error:
            seen["odd"].append(f"{path.name}: {without_path(error, path)} (not counted here; see records verify)")
            continue
        labels.update(shard.labels[shard.labels >= 0].tolist())
        records, size = records + len(shard), size + shard.shard.bytes
    by_class = {classes[label]: count for label, count in sorted(labels.items())}
    head = {"size": part.size, "split": part.split, "shards": len(paths), "records": records, "bytes": size}
    return head | {"by_class": by_class} | seen


def _look_at_first(shard: ShardRecords, classes: tuple[str, ...], wanted: int, seen: dict[str, Any]) -> None:
    if not len(shard):
        seen["odd"].append(f"{shard.shard.path.name}: holds no record")
        return
    features = _describe_features(shard.shard.payload(0))
    if not seen["features"]:
        seen["features"] = features
    elif _kinds(features) != _kinds(seen["features"]):
        seen["odd"].append(f"{shard.shard.path.name}: its first record holds {', '.join(features)}")
    for record in range(min(wanted, len(shard))):
        seen["first"].append(_describe(shard, record, classes))


def _describe_features(payload: bytes) -> list[str]:
    features = read_example(memoryview(payload), 0, len(payload))
    return [f"{name} ({_describe_feature(feature)})" for name, feature in sorted(features.items())]


def _describe_feature(feature: Feature) -> str:
    if feature.kind == "bytes" and len(feature.spans) == 1:
        return f"bytes: {feature.spans[0][1] - feature.spans[0][0]:,} long"
    count = len(feature.spans) + len(feature.ints)
    return feature.kind if feature.kind in ("float", "nothing") else f"{feature.kind}: {count} value{'s'[: count != 1]}"


def _kinds(features: list[str]) -> list[str]:
    return [text.split(":")[0] for text in features]


def _describe(shard: ShardRecords, record: int, classes: tuple[str, ...]) -> dict[str, Any]:
    encoded, label = shard.image_bytes(record), int(shard.labels[record])
    named = {"label": label, "class": classes[label]} if label >= 0 else {"label": None, "class": None}
    return {"shard": shard.shard.path.name, "record": record, "id": shard.ids[record], **named} | _picture(encoded)


def _picture(encoded: memoryview) -> dict[str, Any]:
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            return {"bytes": len(encoded), "picture": f"{picture.format} {picture.width}x{picture.height}"}
    except UnidentifiedImageError:  # whose text names an object of this process
        return {"bytes": len(encoded), "picture": "no picture that can be read: of no kind that is known"}
    except (OSError, ValueError) as error:
        return {"bytes": len(encoded), "picture": f"no picture that can be read: {error}"}


def _row(look: dict[str, Any], classes: int) -> tuple[object, ...]:
    counts = list(look["by_class"].values())
    present = f"{len(counts)} of {classes}" if counts else "-"
    span = f"{min(counts):,} to {max(counts):,}" if counts else "not labelled"
    size = megabytes(look["bytes"])
    return look["size"], look["split"], look["shards"], look["records"], size, present, span


def _say_details(look: dict[str, Any], classes: tuple[str, ...]) -> None:
    say(f"\n{look['size']} px {look['split']}: {', '.join(look['features']) or 'no record to look at'}")
    rows = [
        (f"{Path(one['shard']).stem}:{one['record']}", one["id"], _label(one), one["bytes"], one["picture"])
        for one in look["first"]
    ]
    if rows:
        say(table(("record", "id", "class", "bytes", "picture"), rows, indent="  "))
    for what in look["odd"] + _absent(look, classes):
        say(f"  odd: {what}")


def _absent(look: dict[str, Any], classes: tuple[str, ...]) -> list[str]:
    absent = [name for name in classes if name not in look["by_class"]] if look["by_class"] else []
    more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
    return [f"no record of {', '.join(absent[:_NAMED])}{more}"] if absent else []


def _label(one: dict[str, Any]) -> str:
    return "-" if one["label"] is None else f"{one['label']} {one['class']}"
