"""`records verify`: every length, CRC, count, label and id is checked, and every picture decoded."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lightning_flowers.cgroups import cpu_count
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.tfrecord.index import ShardRecords
from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.errors import DataError, RecordError
from lightning_flowers.parallel import in_order
from lightning_flowers.records.selection import without_path
from lightning_flowers.records.targets import Target, find_targets
from lightning_flowers.records.text import bar, megabytes, say, table

FAILED = 1


class Finding(NamedTuple):
    """One thing that is bad; `record` and `offset` (of its frame, in bytes) where it is about a record."""

    path: Path
    record: int | None
    offset: int | None
    what: str


@dataclass
class Verdict:
    """What was found so far.

    Attributes:
        bad: what is bad.
        shards: that were walked to their end.
        records: that their names promise.
        decoded: pictures that were decoded.
        resized: of those, how many are not of the size that their shard's name says.
        bytes: of the shards, unpacked.
    """

    bad: list[Finding] = field(default_factory=list)
    shards: int = 0
    records: int = 0
    decoded: int = 0
    resized: int = 0
    bytes: int = 0


def check(target: Target, verdict: Verdict, looked_at: Callable[[int], object]) -> None:
    """Check one target; nothing that is found makes it stop.

    Args:
        verdict: takes what is found.
        looked_at: is told how many more records were.
    """
    verdict.bad += [Finding(odd.path, None, None, odd.what) for odd in target.odd]
    ids: dict[str, str] = {}
    for path in target.paths:
        try:
            shard = ShardRecords(path, target.rules(path))
        except DataError as error:
            verdict.bad.append(Finding(path, None, None, without_path(error, path)))
            continue
        bad = _decode_all(shard, verdict, looked_at)
        for record, identity in enumerate(shard.ids):
            if record not in bad and identity in ids:
                bad[record] = f"its id {identity!r} is also that of {ids[identity]}"
            elif record not in bad:
                ids[identity] = f"{path.name} record {record}"
        verdict.bad += [
            Finding(path, record, shard.shard.error(record, what).offset, what) for record, what in bad.items()
        ]
        verdict.shards += 1
        verdict.records += len(shard)
        verdict.bytes += shard.shard.bytes


def verify_records(paths: list[str] | None = None, size: int | None = None, splits: str = "train,val,test") -> int:
    """Check shards to the last bit.

    Args:
        paths: what to check.
        size: of a data set, the size in pixels to check. Default: all sizes there are.
        splits: of a data set, the splits to check; names with commas between.
    """
    targets = find_targets(paths or [], size, splits)
    total = sum(ShardName.parse(path).records for target in targets for path in target.paths)
    start = time.perf_counter()
    verdict = Verdict()
    with bar(total, "verifying", "record") as progress:
        for target in targets:
            check(target, verdict, progress.update)
    _report(verdict, time.perf_counter() - start)
    return FAILED if verdict.bad else 0


def _decode_all(shard: ShardRecords, verdict: Verdict, looked_at: Callable[[int], object]) -> dict[int, str]:
    """What is bad, by record, of those of a shard."""
    bad = dict(shard.bad)
    looked_at(len(bad))
    good = [record for record in range(len(shard)) if record not in bad]
    for record, found in zip(good, in_order(lambda record: _decode(shard, record), good), strict=True):
        if isinstance(found, str):
            bad[record] = found
        else:
            verdict.decoded, verdict.resized = verdict.decoded + 1, verdict.resized + found
        looked_at(1)
    return bad


def _decode(shard: ShardRecords, record: int) -> bool | str:
    """Whether a record's picture had to be resized, or what is bad."""
    side = shard.shard.name.size
    try:
        return decode_into(shard.image_bytes(record), np.empty((side, side, 3), np.uint8))
    except RecordError as error:
        return error.what
    except ValueError as error:
        return f"the picture is damaged: {error}"


def _report(verdict: Verdict, seconds: float) -> None:
    if verdict.bad:
        say(table(("shard", "record", "byte", "what"), [_row(run) for run in _runs(sorted(verdict.bad, key=_place))]))
        say()
    if verdict.resized:
        say(f"note: {verdict.resized:,} pictures have not the size their shard's name says: training resizes them")
    bad = sum(finding.record is not None for finding in verdict.bad)
    whole = len(verdict.bad) - bad
    counts = f"{verdict.shards:,} shards, {verdict.records:,} records, {megabytes(verdict.bytes)}"
    told = f"{bad:,} records and {whole:,} files or folders are bad" if verdict.bad else "all good"
    speed = f"{verdict.decoded:,} pictures decoded, {verdict.decoded / seconds:,.0f} images/s on {cpu_count()} cores"
    say(f"{counts}: {told} ({speed})")


def _place(finding: Finding) -> tuple[Path, int]:
    return finding.path, -1 if finding.record is None else finding.record


def _runs(findings: list[Finding]) -> list[list[Finding]]:
    """Findings that follow each other and say the same, such as of all records behind one damage, together."""
    runs: list[list[Finding]] = []
    for finding in findings:
        last = runs[-1][-1] if runs else None
        if (
            last
            and last.record is not None
            and finding._replace(offset=last.offset) == last._replace(record=last.record + 1)
        ):
            runs[-1].append(finding)
        else:
            runs.append([finding])
    return runs


def _row(run: list[Finding]) -> tuple[str, str, str, str]:
    first, last = run[0], run[-1]
    record = "-" if first.record is None else str(first.record)
    offset = "-" if first.offset is None else str(first.offset)
    return str(first.path), record if len(run) == 1 else f"{record}-{last.record}", offset, first.what
