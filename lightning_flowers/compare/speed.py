"""The same backbone on different hardware: what an epoch takes on TPU, GPU and CPU."""

from dataclasses import replace

from lightning_flowers.compare import study
from lightning_flowers.compare.groups import Group
from lightning_flowers.compare.rows import Figure, Row


def line_up(group: Group) -> list[list[Row]]:
    """The rows of each backbone that ran on more than one kind of hardware, the study's times among them; its slowest
    first."""
    alike: dict[tuple[str | None, bool | None], list[Row]] = {}
    for row in group.rows:
        if row.runs and row.mean("seconds_per_epoch") is not None:
            alike.setdefault((row.timm_name, row.trainable), []).append(row)
    found = [[*rows, *(_study_times(rows[0]) if group.is_the_studys else ())] for rows in alike.values()]
    return [
        sorted(rows, key=lambda row: row.mean("seconds_per_epoch") or 0, reverse=True)
        for rows in found
        if len({row.hardware for row in rows}) > 1
    ]


def _study_times(row: Row) -> list[Row]:
    result = study.find_result(row.model, row.timm_name)
    if result is None or row.size is None or result.trainable is not row.trainable:
        return []
    return [
        replace(
            row,
            hardware=f"{time.hardware} (the study)",
            figures={"seconds_per_epoch": Figure(time.seconds_per_epoch)},
            runs=(),
        )
        for time in study.find_times(result.timm_name, row.size)
    ]
