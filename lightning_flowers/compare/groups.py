"""Which runs may be compared: those scored and timed on the same data; and what an epoch takes on TPU, GPU and CPU."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from lightning_flowers.compare import study
from lightning_flowers.compare.rows import Figure, Row, rows_of, study_row
from lightning_flowers.data.class_names import clean_name
from lightning_flowers.data.splits.fingerprints import content
from lightning_flowers.run.results import Run


@dataclass(frozen=True)
class Conditions:
    """What two runs must have in common to be compared.

    Attributes:
        names: of the classes, in any order; None where they are not known.
        train, val: what the splits' fingerprints say of their content, or of names and sizes.
        listed: whether names and sizes are all that is known.
        limits: settings that left part of the data out.
        unknown: of a run whose summary does not say which data it had, its folder: it is like no other.
    """

    size: int | None
    classes: int | None
    names: frozenset[str] | None
    train: str | None
    val: str | None
    listed: bool
    records: tuple[int | None, int | None]
    train_on: str
    fold: tuple[int | None, int | None]
    external: bool | None
    limits: tuple[str, ...]
    unknown: Path | None


@dataclass(frozen=True)
class Group:
    """Runs that may be compared with each other.

    Attributes:
        differences: what differs from the first group; none of the first.
        rows: ours, each backbone's first one with the study's row under it.
    """

    conditions: Conditions
    differences: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def is_the_studys(self) -> bool:
        """Whether the study's times are of as many records of this size."""
        return _is_the_studys(self.conditions)


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """The runs by what they may be compared with: the largest group first, else in the order given."""
    alike: dict[Conditions, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.estimated):
        alike.setdefault(_conditions_among(alike, run) if run.estimated else _conditions(run), []).append(run)
    ordered = sorted(alike, key=lambda conditions: (conditions.unknown is not None, -len(alike[conditions])))
    groups = []
    for conditions in ordered:
        rows = rows_of(alike[conditions], comparable=conditions == ordered[0])
        groups.append(Group(conditions, _differences(conditions, ordered[0]), _with_study(conditions, rows)))
    return groups


def _conditions_among(groups: Iterable[Conditions], run: Run) -> Conditions:
    """Of a run that was only rehearsed: those of the first group of as many records of its size, for time is all that
    there is of it."""
    own = _conditions(run)
    return next((one for one in groups if (one.size, one.records) == (own.size, own.records)), own)


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


def describe(conditions: Conditions) -> str:
    """The data of a group, in words."""
    if conditions.unknown:
        return "data unknown"
    train, val = (f"{count:,}" if count is not None else None for count in conditions.records)
    records = " and ".join(f"{count} {name}" for count, name in ((train, "train"), (val, "val")) if count)
    of = f" of {conditions.classes} classes" if conditions.classes is not None else ""
    return f"{conditions.size} px, {records} records{of}"


def _conditions(run: Run) -> Conditions:
    data = run.data
    return Conditions(
        data.size,
        data.classes,
        frozenset(map(clean_name, data.class_names)) or None,
        content(data.fingerprints.get("train")),
        content(data.fingerprints.get("val")),
        not all("-" in fingerprint for name, fingerprint in data.fingerprints.items() if name != "test"),
        (data.records.get("train"), data.records.get("val")),
        data.train_on,
        (data.fold, data.folds),
        data.external,
        tuple(f"{name}={value}" for name, value in run.limits.items() if name != "limit_test_batches"),
        None if "train" in data.fingerprints or run.estimated else run.path,
    )


def _differences(one: Conditions, first: Conditions) -> tuple[str, ...]:
    """What a reader has to know before comparing the one with the other."""
    if one == first:
        return ()
    if one.unknown:
        return ("summary.json does not say which data",)
    changed = {field.name for field in fields(one) if getattr(one, field.name) != getattr(first, field.name)}
    texts = {
        "size": f"{one.size} px instead of {first.size} px",
        "classes": f"{one.classes} classes instead of {first.classes}" if one.classes is not None else "",
        "names": "classes of other names" if one.classes == first.classes else "",
        "train_on": f"trained on {one.train_on}",
        "fold": f"fold {one.fold[0]} of {one.fold[1]}" if one.fold[1] else "no folds",
        "external": {True: "external data", False: "no external data", None: "unknown whether external"}[one.external],
        "limits": ", ".join(one.limits) or "all batches",
    }
    said = [text for name, text in texts.items() if name in changed and text]
    return (*said, *_other_data(changed))


def _other_data(changed: set[str]) -> tuple[str, ...]:
    """Splits that differ although nothing else accounts for it: another size has other shards by nature."""
    if changed & {"train_on", "fold", "external"}:
        return ()
    if "size" in changed:
        return ("other records",) if "records" in changed else ()
    if "listed" in changed:
        return ("only names and sizes of one's records are known: they may be others",)
    splits = [name for name in ("train", "val") if name in changed]
    return (f"other {' and '.join(splits)} records",) if splits else ()


def _is_the_studys(conditions: Conditions) -> bool:
    records = (study.TRAIN_RECORDS, study.VAL_RECORDS)
    return conditions.records == records and not conditions.external and not conditions.limits


def _with_study(conditions: Conditions, rows: list[Row]) -> tuple[Row, ...]:
    """The rows, and under the first of each backbone the study's."""
    shown: list[Row] = []
    seen: set[str | None] = set()
    for row in rows:
        shown.append(row)
        result = study.find_result(row.model, row.timm_name)
        if result and row.timm_name not in seen:
            same = _is_the_studys(conditions) and conditions.size == result.size
            shown.append(study_row(result, row, same))
        seen.add(row.timm_name)
    return tuple(shown)


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
