"""The comparison of runs: what matters for a terminal, all of it as Markdown and CSV."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill

from lightning_flowers.compare.groups import Group, line_up
from lightning_flowers.compare.rows import FIGURES, Figure, Row
from lightning_flowers.files import csv_text
from lightning_flowers.markdown import NOTHING, TERMINAL, join, markdown_table, number, text_table
from lightning_flowers.run.results import names_of

_TRAINED = {True: "whole", False: "head only", None: NOTHING}
# Of the figures that the tables show: heading and decimals.
_FIGURES = {
    "val_loss": ("val loss", 4),
    "val_accuracy": ("accuracy", 4),
    "val_macro_f1": ("macro F1", 4),
    "seconds_per_epoch": ("s/epoch", 1),
    "seconds_first_epoch": ("first epoch s", 1),
    "compile_seconds": ("compile s", 1),
    "images_per_second": ("images/s", 1),
}
_RIGHT = ("M param.", "depth", "px", "epochs", "batch", "times as fast", *(heading for heading, _ in _FIGURES.values()))
# What a terminal has room for.
_SCORES = ("run", "accuracy", "macro F1", "s/epoch", "data")
_SPEEDS = ("run", "hardware", "batch", "s/epoch", "times as fast")
_NOTES = """\
Val scores are of the epoch with the highest macro F1. ± is the sample standard deviation over runs that differ in
nothing but their seed. s/epoch and images/s leave out the first epoch, which warms up and compiles. "-" was not
measured. Depth counts convolutions and dense layers but those on shortcuts. Rows of the study are its own figures,
with TensorFlow. --out=FOLDER writes all columns, as Markdown and CSV."""
_HARDWARE = "## The same backbone on different hardware"

Cells = dict[str, str]


def to_markdown(groups: Sequence[Group], left_out: Sequence[str]) -> str:
    """A table for each group, one of hardware where a backbone ran on several kinds, and why folders are not in them, a
    line each."""

    def table(rows: Sequence[Cells], short: Sequence[str]) -> str:
        kept = [name for name in rows[0] if name != "run"]
        return markdown_table(kept, [[row[name] for name in kept] for row in rows], _RIGHT)

    return "\n\n".join(_tell(groups, left_out, table)) + "\n"


def to_text(groups: Sequence[Group], left_out: Sequence[str]) -> str:
    """The same for a terminal: names, scores, seconds per epoch and what has to be known, in lines that fit."""

    def table(rows: Sequence[Cells], short: Sequence[str]) -> str:
        return text_table(short, [[row[name] for name in short] for row in rows], _RIGHT)

    parts = _tell(groups, left_out, table)
    return "\n\n".join(fill(part, TERMINAL) if part[0] == "#" or part is _NOTES else part for part in parts) + "\n"


def to_csv(groups: Sequence[Group]) -> str:
    """One line for each row of the tables, numbers in full; a figure that is not there is empty.

    Columns: which group of comparable runs (from 1), its data; `ours` or `study`; the row.
    """
    records = [_record(number, group, row) for number, group in enumerate(groups, start=1) for row in group.rows]
    return csv_text(list(records[0]), [record.values() for record in records])


def figure(value: Figure | None, decimals: int) -> str:
    """A mean, with its standard deviation if it has one."""
    if value is None:
        return NOTHING
    return number(value.mean, decimals) + (f" ± {value.std:.{decimals}f}" if value.std is not None else "")


def _tell(
    groups: Sequence[Group],
    left_out: Sequence[str],
    table: Callable[[Sequence[Cells], Sequence[str]], str],
) -> list[str]:
    runs = [run for group in groups for row in group.rows if not row.of_study for run in row.runs]
    names = dict(zip((str(run.path) for run in runs), names_of(runs), strict=True))
    parts: list[str] = []
    for group in groups:
        parts += [_heading(group), table([_cells(row, names) for row in group.rows], _SCORES)]
    speeds = [cells for group in groups for rows in line_up(group) for cells in _speeds(rows, names)]
    parts += [_NOTES, *([_HARDWARE, table(speeds, _SPEEDS)] if speeds else [])]
    return [*parts, "## Left out", "\n".join(f"- {line}" for line in left_out)] if left_out else parts


def _heading(group: Group) -> str:
    return f"## {group.data}" if group.first else f"## Not comparable with the first table: {group.data}"


def _cells(row: Row, names: Mapping[str, str]) -> Cells:
    run = row.run
    return {
        "run": _name(row, names),
        "model": row.model,
        "M param.": number(run.parameters / 1e6, 1) if run.parameters is not None else NOTHING,
        "depth": number(run.depth),
        "trained": _TRAINED[run.trainable],
        "px": number(run.data.size),
        "epochs": row.epochs or NOTHING,
        **{heading: figure(row.figures.get(name), decimals) for name, (heading, decimals) in _FIGURES.items()},
        "hardware": row.hardware,
        "data": "; ".join(row.marks),
        "seeds": join(row.seeds),
        "runs": _runs(row, names),
    }


def _speeds(rows: Sequence[Row], names: Mapping[str, str]) -> list[Cells]:
    """What an epoch takes on each hardware, and how many times as fast that is as on the first."""
    slowest = rows[0].mean("seconds_per_epoch") or 0
    shown = ("run", "model", "trained", "px", "hardware", "s/epoch", "images/s", "compile s", "runs")
    cells = []
    for row in rows:
        times = slowest / seconds if (seconds := row.mean("seconds_per_epoch")) else None
        found = {name: text for name, text in _cells(row, names).items() if name in shown}
        cells.append({**found, "batch": number(row.batch_size), "times as fast": number(times, 1)})
    return cells


def _name(row: Row, names: Mapping[str, str]) -> str:
    """The runs of a row, each with its seed where there are several; of the study's rows the model."""
    if row.of_study:
        return row.model
    if len(row.runs) < 2:
        return _runs(row, names)
    pairs = [(names[str(run.path)], f"seed{number(run.seed)}") for run in row.runs]
    return join(name if name.endswith(seed) else f"{name} ({seed})" for name, seed in pairs)


def _runs(row: Row, names: Mapping[str, str]) -> str:
    return NOTHING if row.of_study else join(names[str(run.path)] for run in row.runs)


def _record(number: int, group: Group, row: Row) -> dict[str, object]:
    run = row.run
    figures = {name: row.figures.get(name, (None, None)) for name in FIGURES}
    return {
        "group": number,
        "data": group.data,
        "source": "study" if row.of_study else "ours",
        "model": row.model,
        "timm_name": run.timm_name,
        "runs": "" if row.of_study else "; ".join(str(run.path) for run in row.runs),
        "seeds": "; ".join(map(str, row.seeds)),
        "parameters": run.parameters,
        "depth": run.depth,
        "trained": _TRAINED[run.trainable],
        "size": run.data.size,
        "epochs": row.epochs,
        **{
            f"{name}{end}": value
            for name, pair in figures.items()
            for end, value in zip(("", "_std"), pair, strict=True)
        },
        "hardware": row.hardware,
        "marks": "; ".join(row.marks),
    }
