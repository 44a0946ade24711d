"""`records verify`: every length, CRC, count, label and id is checked, and every picture decoded."""

import time
from collections.abc import Iterator
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
_CHUNK = 16  # pictures a task: fewer would cost more in passing them around


class Finding(NamedTuple):
    """One thing that is bad; `record` and `offset` (of its frame, in bytes) where it is about a record."""

    path: Path
    record: int | None
    offset: int | None
    what: str


class Task(NamedTuple):
    """Some of a shard's records, to be decoded; `last` if no more of them follow."""

    records: ShardRecords
    chunk: list[int]
    last: bool


class Decoded(NamedTuple):
    """What came of a task: how many pictures had to be resized, and what is bad, by record."""

    task: Task
    resized: int
    bad: dict[int, str]


class Verifier:
    """Checks targets one after another and gathers what it finds; none of it makes it stop.

    Attributes:
        bad: what is bad.
        shards: that were walked to their end.
        records: that their names promise.
        decoded: pictures that were decoded.
        resized: of those, how many are not of the size that their shard's name says.
        bytes: of the shards, unpacked.
    """

    def __init__(self) -> None:
        self.bad: list[Finding] = []
        self.shards = self.records = self.decoded = self.resized = self.bytes = 0

    def check(self, target: Target) -> Iterator[int]:
        """Check one target; gives, now and then, how many more records were looked at."""
        self.bad += [Finding(odd.path, None, None, odd.what) for odd in target.odd]
        ids: dict[str, tuple[str, int]] = {}
        bad: dict[int, str] = {}
        for task, resized, undecodable in in_order(_decode, self._tasks(target)):
            self.decoded += len(task.chunk) - len(undecodable)
            self.resized += resized
            bad |= undecodable
            yield len(task.chunk)
            if task.last:
                self._finish(task.records, bad | task.records.bad, ids)
                bad = {}
                yield len(task.records.bad)

    def _tasks(self, target: Target) -> Iterator[Task]:
        """Walks the next shard while the pictures of the one before are being decoded."""
        for path in target.paths:
            try:
                records = ShardRecords(path, target.rules(path))
            except DataError as error:
                self.bad.append(Finding(path, None, None, without_path(error, path)))
                continue
            good = [record for record in range(len(records)) if record not in records.bad]
            for start in range(0, max(len(good), 1), _CHUNK):
                yield Task(records, good[start : start + _CHUNK], start + _CHUNK >= len(good))

    def _finish(self, records: ShardRecords, bad: dict[int, str], ids: dict[str, tuple[str, int]]) -> None:
        bad |= dict(_find_twice(records, bad, ids))
        self.bad += [_finding(records, record, what) for record, what in bad.items()]
        self.shards += 1
        self.records += len(records)
        self.bytes += records.shard.bytes


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
    verifier = Verifier()
    with bar(total, "verifying", "record") as progress:
        for target in targets:
            for records in verifier.check(target):
                progress.update(records)
    _report(verifier, time.perf_counter() - start)
    return FAILED if verifier.bad else 0


def _decode(task: Task) -> Decoded:
    side = task.records.shard.name.size
    out = np.empty((side, side, 3), np.uint8)
    resized, bad = 0, {}
    for record in task.chunk:
        try:
            resized += decode_into(task.records.image_bytes(record), out)
        except RecordError as error:
            bad[record] = error.what
        except ValueError as error:
            bad[record] = f"the picture is damaged: {error}"
    return Decoded(task, resized, bad)


def _find_twice(
    records: ShardRecords, bad: dict[int, str], ids: dict[str, tuple[str, int]]
) -> Iterator[tuple[int, str]]:
    """Records whose id stood before, in this shard or another of the split."""
    name = records.shard.path.name
    for record, identity in enumerate(records.ids):
        if record in bad:
            continue
        if identity in ids:
            yield record, "its id {!r} is also that of {} record {}".format(identity, *ids[identity])
        ids.setdefault(identity, (name, record))


def _finding(records: ShardRecords, record: int, what: str) -> Finding:
    return Finding(records.shard.path, record, records.shard.error(record, what).offset, what)


def _report(verifier: Verifier, seconds: float) -> None:
    if verifier.bad:
        say(table(("shard", "record", "byte", "what"), [_row(run) for run in _runs(sorted(verifier.bad, key=_place))]))
        say()
    if verifier.resized:
        say(f"note: {verifier.resized:,} pictures have not the size their shard's name says: training resizes them")
    bad = sum(finding.record is not None for finding in verifier.bad)
    whole = len(verifier.bad) - bad
    counts = f"{verifier.shards:,} shards, {verifier.records:,} records, {megabytes(verifier.bytes)}"
    verdict = f"{bad:,} records and {whole:,} files or folders are bad" if verifier.bad else "all good"
    speed = f"{verifier.decoded:,} pictures decoded, {verifier.decoded / seconds:,.0f} images/s on {cpu_count()} cores"
    say(f"{counts}: {verdict} ({speed})")


def _place(finding: Finding) -> tuple[Path, int]:
    return finding.path, -1 if finding.record is None else finding.record


def _runs(findings: list[Finding]) -> Iterator[list[Finding]]:
    """Findings that follow each other and say the same, such as of all records behind one damage, together."""
    run: list[Finding] = []
    for finding in findings:
        last = run[-1] if run else None
        follows = last and last.record is not None and finding.record == last.record + 1
        if last and follows and (finding.path, finding.what) == (last.path, last.what):
            run.append(finding)
            continue
        if run:
            yield run
        run = [finding]
    if run:
        yield run


def _row(run: list[Finding]) -> tuple[str, str, str, str]:
    first, last = run[0], run[-1]
    record = "-" if first.record is None else str(first.record)
    offset = "-" if first.offset is None else str(first.offset)
    return str(first.path), record if len(run) == 1 else f"{record}-{last.record}", offset, first.what
