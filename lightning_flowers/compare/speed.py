"""The same backbone on different hardware: what an epoch takes on TPU, GPU and CPU."""

from collections.abc import Iterable
from dataclasses import dataclass

from lightning_flowers.compare import study
from lightning_flowers.compare.groups import Group
from lightning_flowers.compare.rows import Row


@dataclass(frozen=True)
class Timing:
    """What an epoch takes on one kind of hardware.

    Attributes:
        batch_size: over all devices; None if the settings are not known, and of the study.
        times_as_fast: as the slowest hardware of the same line-up.
        row: None of the study's times.
    """

    model: str
    size: int | None
    trainable: bool | None
    hardware: str
    batch_size: int | None
    seconds_per_epoch: float
    times_as_fast: float
    row: Row | None


def line_up(groups: Iterable[Group]) -> list[Timing]:
    """Each backbone that ran on more than one kind of hardware, on the same data and size; its slowest first."""
    timings = []
    for group in groups:
        alike: dict[tuple[str | None, bool | None], list[Row]] = {}
        for row in group.rows:
            if row.runs and row.mean("seconds_per_epoch") is not None:
                alike.setdefault((row.timm_name, row.trainable), []).append(row)
        for rows in alike.values():
            timings += _compare(rows, group.is_the_studys)
    return timings


def _compare(rows: list[Row], beside_study: bool) -> list[Timing]:
    first = rows[0]
    found: list[tuple[str, float, Row | None]] = [
        (row.hardware, row.mean("seconds_per_epoch") or 0, row) for row in rows
    ]
    if beside_study:
        found += [(f"{time.hardware} (the study)", time.seconds_per_epoch, None) for time in _study_times(first)]
    if len({hardware for hardware, *_ in found}) < 2:
        return []
    found.sort(key=lambda one: one[1], reverse=True)
    slowest = found[0][1]
    shared = (first.model, first.size, first.trainable)
    return [
        Timing(*shared, hardware, _batch_size(row), seconds, slowest / seconds if seconds else float("nan"), row)
        for hardware, seconds, row in found
    ]


def _study_times(row: Row) -> list[study.StudyTime]:
    result = study.find_result(row.model, row.timm_name)
    if result is None or row.size is None or result.trainable is not row.trainable:
        return []
    return study.find_times(result.timm_name, row.size)


def _batch_size(row: Row | None) -> int | None:
    data = ((row.runs[0].settings or {}) if row else {}).get("data")
    size = data.get("batch_size") if isinstance(data, dict) else None
    return size if isinstance(size, int) else None
