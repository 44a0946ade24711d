"""`records verify`: every length, CRC, count, label and id is checked, and every picture decoded."""

import math
import time
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lightning_flowers.cgroups import cpu_count
from lightning_flowers.data.cache.free_space import readable
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.sources.folder import find_shards
from lightning_flowers.data.tfrecord.index import Rules, ShardRecords
from lightning_flowers.errors import DataError, RecordError
from lightning_flowers.markdown import text_table
from lightning_flowers.parallel import in_order
from lightning_flowers.records.selection import Part, choose_parts, find
from lightning_flowers.records.text import bar, say

FAILED = 1


class Finding(NamedTuple):
    """One thing that is bad; `record` and `offset` (of its frame, in bytes) are below 0 of a file or folder."""

    path: Path
    record: int
    offset: int
    what: str


class Checked(NamedTuple):
    """A shard that was walked to its end: its records, its size, and of its pictures how many were decoded and resized
    for that."""

    records: int
    bytes: int
    decoded: int
    resized: int


def verify_records(root: str | None = None, size: int | None = None, splits: str = "train,val,test") -> int:
    """Check shards to the last bit.

    Args:
        root: the data set's folder.
        size: the size in pixels to check. Default: all sizes there are.
        splits: the splits to check; names with commas between.
    """
    bad: list[Finding] = []
    shards = [(part, path) for part in choose_parts(find(root), size, splits) for path in _paths(part, bad)]
    start, checked = time.perf_counter(), []
    ids: dict[tuple[Path, str], str] = {}
    with bar(len(shards), "verifying", "shard") as progress:
        for part, path in shards:
            checked += _check(part, path, ids, bad)
            progress.update()
    _report(checked, sorted(bad), time.perf_counter() - start)
    return FAILED if bad else 0


def _paths(part: Part, bad: list[Finding]) -> list[Path]:
    """The shards of a split; what is wrong with their names makes none of the others bad."""
    try:
        return [*find_shards(part.folder, part.size)]
    except DataError as error:
        bad.append(Finding(part.folder, -1, -1, _without(error, part.folder)))
        return sorted(path for path in part.folder.iterdir() if ".tfrec" in path.name)


def _check(part: Part, path: Path, ids: dict[tuple[Path, str], str], bad: list[Finding]) -> list[Checked]:
    """Check one shard; nothing that is found makes it stop.

    Args:
        ids: of the records before, by their split's folder, and where those are.
    """
    try:
        shard = ShardRecords(path, Rules(len(part.source.classes), part.split != "test", skip=True))
    except DataError as error:
        bad.append(Finding(path, -1, -1, _without(error, path)))
        return []
    good = [record for record in range(len(shard)) if record not in shard.bad]
    found = dict(zip(good, in_order(lambda record: _decode(shard, record), good), strict=True))
    wrong = shard.bad | {record: what for record, what in found.items() if isinstance(what, str)}
    for record in found.keys() - wrong.keys():
        first = ids.setdefault((part.folder, shard.ids[record]), f"{path.name} record {record}")
        if first != f"{path.name} record {record}":
            wrong[record] = f"its id {shard.ids[record]!r} is also that of {first}"
    bad += [Finding(path, record, shard.error(record, what).offset, what) for record, what in wrong.items()]
    resized = [what for what in found.values() if isinstance(what, bool)]
    return [Checked(len(shard), shard.bytes, len(resized), sum(resized))]


def _decode(shard: ShardRecords, record: int) -> bool | str:
    """Whether a record's picture had to be resized, or what is bad."""
    side = shard.name.size
    try:
        return decode_into(shard.image_bytes(record), np.empty((side, side, 3), np.uint8))
    except RecordError as error:
        return error.what
    except ValueError as error:
        return f"the picture is damaged: {error}"


def _report(checked: list[Checked], bad: list[Finding], seconds: float) -> None:
    # Findings that say the same, such as of all records behind one damage, are one row.
    runs = [list(run) for _, run in groupby(bad, key=lambda finding: (finding.path, finding.what))]
    if runs:
        say(text_table(("shard", "record", "byte", "what"), [_row(run) for run in runs], (), math.inf))
        say()
    records, size, decoded, resized = (sum(column) for column in zip(*checked, strict=True)) if checked else [0] * 4
    if resized:
        say(f"note: {resized:,} pictures have not the size their shard's name says: training resizes them")
    single = sum(finding.record >= 0 for finding in bad)
    told = f"bad records: {single:,}, bad files and folders: {len(bad) - single:,}" if bad else "all good"
    speed = f"{decoded:,} pictures decoded, {decoded / seconds:,.0f} images/s on {cpu_count()} cores"
    say(f"{len(checked):,} shards, {records:,} records, {readable(size)}: {told} ({speed})")


def _row(run: list[Finding]) -> tuple[str, str, str, str]:
    first, last = run[0], run[-1]
    if first.record < 0:
        return str(first.path), "-", "-", first.what
    return str(first.path), f"{first.record}" + f"-{last.record}" * (len(run) > 1), str(first.offset), first.what


def _without(error: DataError, path: Path) -> str:
    """What an error about a file says, without the name of the file before it."""
    return str(error).removeprefix(f"{path}: ")
