"""Which runs may be compared: those scored and timed on the same data; and what an epoch takes on TPU, GPU and CPU."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lightning_flowers.compare import study
from lightning_flowers.compare.rows import Row, rows_of, study_row
from lightning_flowers.data.class_names import clean_name
from lightning_flowers.data.splits.fingerprints import content
from lightning_flowers.run.results import Run

Counts = tuple[int | None, int | None]


@dataclass(frozen=True)
class Group:
    """Runs that may be compared with each other.

    Attributes:
        data: what they were trained and scored on, in words.
        first: whether it is the group that the others are held against.
        rows: ours, each backbone's first one with the study's row under it.
        is_the_studys: whether the study's times are of as many records.
    """

    data: str
    first: bool
    rows: tuple[Row, ...]
    is_the_studys: bool


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """The runs by what they may be compared with: the largest group first, else in the order given."""
    alike: dict[object, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.estimated):
        alike.setdefault(_key(run, alike), []).append(run)
    ordered = sorted(alike.values(), key=lambda some: (not _tells_data(some[0]), -len(some)))
    return [_group(some, ordered[:number]) for number, some in enumerate(ordered)]


def line_up(group: Group) -> list[list[Row]]:
    """The rows of each backbone that ran on more than one kind of hardware, the study's times among them; its slowest
    first."""
    alike: dict[tuple[str | None, bool | None], list[Row]] = {}
    for row in group.rows:
        if not row.of_study and row.mean("seconds_per_epoch") is not None:
            alike.setdefault((row.key, row.run.trainable), []).append(row)
    if group.is_the_studys:
        alike = {key: [*rows, *map(study_row, study.find_times(rows[0].run))] for key, rows in alike.items()}
    return [
        sorted(rows, key=lambda row: row.mean("seconds_per_epoch") or 0, reverse=True)
        for rows in alike.values()
        if len({row.hardware for row in rows}) > 1
    ]


def describe(run: Run) -> str:
    """What a run was trained and scored on, in words."""
    if not _tells_data(run):
        return "data unknown"
    data = run.data
    train, val = (f"{count:,}" if count is not None else None for count in _counts(run))
    records = " and ".join(f"{count} {name}" for count, name in ((train, "train"), (val, "val")) if count)
    of = f" of {data.classes} classes" if data.classes is not None else ""
    external = {True: "external data", False: "", None: "" if run.estimated else "unknown whether external"}
    parts = [
        f"{data.size} px",
        f"{records} records{of}",
        f"trained on {data.train_on}" if data.train_on != "train" else "",
        f"fold {data.fold} of {data.folds}" if data.folds else "",
        external[data.external],
        f"{data.pseudo_labelled:,} pseudo-labels of test" if data.pseudo_labelled else "",
        *(f"{name}={value}" for name, value in run.limits.items() if name != "limit_test_batches"),
    ]
    return ", ".join(part for part in parts if part)


def _key(run: Run, groups: Mapping[object, Sequence[Run]]) -> object:
    """What the runs of a group have in common. One that does not say its data is like no other; of one that was only
    rehearsed time is all that there is, and it goes with the first group of as many records of its size."""
    if run.estimated:
        amount = (run.data.size, _counts(run))
        return next((key for key, (one, *_) in groups.items() if (one.data.size, _counts(one)) == amount), amount)
    if not _tells_data(run):
        return run.path
    names = frozenset(map(clean_name, run.data.class_names))
    return (describe(run), names, *(content(run.data.fingerprints.get(split)) for split in ("train", "val")))


def _tells_data(run: Run) -> bool:
    return run.estimated or "train" in run.data.fingerprints


def _counts(run: Run) -> Counts:
    return run.data.records.get("train"), run.data.records.get("val")


def _group(runs: Sequence[Run], before: Sequence[Sequence[Run]]) -> Group:
    is_first, data = not before, describe(runs[0])
    if _tells_data(runs[0]) and data in [describe(others[0]) for others in before]:
        data = f"{data}, but other ones"
    is_the_studys = _has_as_many(runs[0])
    rows = _with_study(rows_of(runs, is_first), is_the_studys, is_first)
    return Group(data, is_first, tuple(rows), is_the_studys)


def _has_as_many(run: Run) -> bool:
    as_many = _counts(run) == (study.TRAIN_RECORDS, study.VAL_RECORDS)
    return as_many and not run.data.external and run.limits.keys() <= {"limit_test_batches"}


def _with_study(rows: Sequence[Row], is_the_studys: bool, first: bool) -> list[Row]:
    """The rows, and under the first of each backbone the study's."""
    shown: list[Row] = []
    seen: set[str | None] = set()
    for row in rows:
        shown.append(row)
        result = study.find_result(row.run)
        if result and row.key not in seen:
            same = is_the_studys and row.run.data.size == result.data.size
            shown.append(study_row(result, ("same records" if same else "other data or size",), same and first))
        seen.add(row.key)
    return shown
