"""The comparison of runs as Markdown: a table for each group, and one of hardware."""

from collections.abc import Mapping, Sequence

from lightning_flowers.compare.groups import Group, describe
from lightning_flowers.compare.rows import Figure, Row
from lightning_flowers.compare.speed import Timing, line_up
from lightning_flowers.markdown import NOTHING, join, markdown_table, number
from lightning_flowers.run.results import Run

TRAINED = {True: "whole", False: "head only", None: "-"}
# Of the figures that the table shows: heading and decimals.
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
_NOTES = """\
Val scores are of the epoch with the highest macro F1. ± is the sample standard deviation over runs that differ in
nothing but their seed. s/epoch and images/s leave out the first epoch, which warms up and compiles. "-" was not
measured. Depth counts convolutions and dense layers on the longest way through the model. Rows of the study are its own
figures, with TensorFlow."""
_HARDWARE = "## The same backbone on different hardware"
_ONE_HARDWARE = "No backbone ran on two kinds of hardware with the same data and size."


def to_markdown(groups: Sequence[Group], left_out: Sequence[str]) -> str:
    """The comparison, for a terminal as for a file.

    Args:
        left_out: why folders are not in it, a line each.
    """
    names = _names([run for group in groups for row in group.rows for run in row.runs])
    tables = [part for group in groups for part in (_heading(group), _table(group.rows, names))]
    timings = line_up(groups)
    parts = [*tables, _NOTES, _HARDWARE, _timings(timings, names) if timings else _ONE_HARDWARE]
    if left_out:
        parts += ["## Left out", "\n".join(f"- {line}" for line in left_out)]
    return "\n\n".join(parts) + "\n"


def figure(value: Figure | None, decimals: int) -> str:
    """A mean, with its standard deviation if it has one."""
    if value is None:
        return NOTHING
    return number(value.mean, decimals) + (f" ± {value.std:.{decimals}f}" if value.std is not None else "")


def _names(runs: Sequence[Run]) -> dict[str, str]:
    """What to call each run, by its path: its folder's name, or the path where two have the same name."""
    unique = len({run.path.name for run in runs}) == len(runs)
    return {str(run.path): run.path.name if unique else str(run.path) for run in runs}


def _heading(group: Group) -> str:
    data = describe(group.conditions)
    if not group.differences:
        return f"## {data}"
    return f"## Not comparable with the first table: {', '.join(group.differences)} ({data})"


def _table(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    header = ["model", "M param.", "depth", "trained", "px", "epochs", *(heading for heading, _ in _FIGURES.values())]
    return markdown_table([*header, "hardware", "data", "seeds", "runs"], [_cells(row, names) for row in rows], _RIGHT)


def _cells(row: Row, names: Mapping[str, str]) -> list[str]:
    return [
        row.model,
        number(row.parameters / 1e6, 1) if row.parameters is not None else "-",
        number(row.depth),
        TRAINED[row.trainable],
        number(row.size),
        row.epochs or NOTHING,
        *(figure(row.figures.get(name), decimals) for name, (_, decimals) in _FIGURES.items()),
        row.hardware,
        "; ".join(row.marks),
        join(row.seeds),
        _runs(row, names),
    ]


def _timings(timings: Sequence[Timing], names: Mapping[str, str]) -> str:
    header = [
        "model",
        "trained",
        "px",
        "hardware",
        "batch",
        "s/epoch",
        "times as fast",
        "images/s",
        "compile s",
        "runs",
    ]
    return markdown_table(header, [_timing_cells(timing, names) for timing in timings], _RIGHT)


def _timing_cells(timing: Timing, names: Mapping[str, str]) -> list[str]:
    figures = timing.row.figures if timing.row else {}
    return [
        timing.model,
        TRAINED[timing.trainable],
        number(timing.size),
        timing.hardware,
        number(timing.batch_size),
        number(timing.seconds_per_epoch, 1),
        number(timing.times_as_fast, 1),
        figure(figures.get("images_per_second"), 1),
        figure(figures.get("compile_seconds"), 1),
        _runs(timing.row, names),
    ]


def _runs(row: Row | None, names: Mapping[str, str]) -> str:
    return join(names[str(run.path)] for run in (row.runs if row else ()))
