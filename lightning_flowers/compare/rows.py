"""Rows of the table: runs that differ in nothing but their seed are one row, with mean and standard deviation."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lightning_flowers.data.splits.fingerprints import content
from lightning_flowers.markdown import NOTHING
from lightning_flowers.report import facts
from lightning_flowers.run.results import Run

# Paths differ from machine to machine: fingerprints tell whether the data do.
_PATHS = ("root", "extra_roots", "cache_dir", "test_labels")
_ORIGIN = {True: "external", False: "clean", None: "clean or external: unknown"}

FIGURES: dict[str, Callable[[Run], float | None]] = {
    "val_loss": lambda run: run.best and run.best.val_loss,
    "val_accuracy": lambda run: run.best and run.best.val_accuracy,
    "val_macro_f1": lambda run: run.best and run.best.val_macro_f1,
    "val_macro_f1_present": lambda run: run.best and run.best.val_macro_f1_present,
    "seconds_per_epoch": lambda run: run.seconds_per_epoch if run.steady else None,
    "seconds_first_epoch": lambda run: run.seconds_first_epoch,
    "compile_seconds": lambda run: run.hardware.compile_seconds,
    "images_per_second": lambda run: run.images_per_second if run.steady else None,
}


class Figure(NamedTuple):
    """A measured value: the mean over a row's runs, and the sample standard deviation if their seeds differ."""

    mean: float
    std: float | None = None


@dataclass(frozen=True)
class Row:
    """One row of the table, of our runs or of the study.

    Attributes:
        runs: those of the row; of the study's rows one that holds its figures.
        figures: of each name in FIGURES; one that a run of the row lacks, or that is no number, is not there.
        marks: what a reader has to know of the row, such as "external".
        comparable: with the first table.
        of_study: whether it is the study's.
    """

    runs: tuple[Run, ...]
    figures: dict[str, Figure]
    marks: tuple[str, ...]
    comparable: bool
    of_study: bool = False

    @property
    def run(self) -> Run:
        """One that stands for all in what they have in common."""
        return self.runs[0]

    @property
    def model(self) -> str:
        """The backbone, by our name."""
        return self.run.backbone or self.run.timm_name or NOTHING

    @property
    def key(self) -> str | None:
        """What tells the backbone from others."""
        return self.run.timm_name or self.run.backbone

    @property
    def hardware(self) -> str:
        """Devices and precision, as far as they are known."""
        return describe_hardware(self.run)

    @property
    def epochs(self) -> str:
        """How many: a span such as "12 to 16" where early stopping ended the runs at different ones."""
        counts = [run.epochs for run in self.runs if run.epochs is not None]
        return " to ".join(str(count) for count in dict.fromkeys((min(counts), max(counts)))) if counts else ""

    @property
    def batch_size(self) -> int | None:
        """Over all devices; None if the settings are not known, and of the study."""
        data = (self.run.settings or {}).get("data")
        size = data.get("batch_size") if isinstance(data, dict) else None
        return size if isinstance(size, int) else None

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs, as far as they are known."""
        return [run.seed for run in self.runs if run.seed is not None]

    def mean(self, name: str) -> float | None:
        """The mean of a figure; None if there is none."""
        return self.figures[name].mean if name in self.figures else None


def rows_of(runs: Iterable[Run], comparable: bool) -> list[Row]:
    """Rows of the runs of one group, one for all of the same settings and hardware; the best macro F1 first.

    Args:
        comparable: whether the group is that of the first table.
    """
    alike: dict[object, list[Run]] = {}
    for run in runs:
        alike.setdefault(_settings(run), []).append(run)
    rows = [_row(tuple(some), comparable) for some in alike.values()]
    return sorted(rows, key=lambda row: -1 if (score := row.mean("val_macro_f1")) is None else score, reverse=True)


def study_row(run: Run, marks: tuple[str, ...] = (), comparable: bool = False) -> Row:
    """A row of the study, to stand beside ours of its backbone."""
    return Row((run,), _figures((run,)), marks, comparable, of_study=True)


def describe_hardware(run: Run) -> str:
    """Devices and precision, as far as they are known."""
    hardware = run.hardware
    if hardware.device is None:
        return NOTHING
    devices = f"{hardware.devices} x {hardware.device}" if hardware.devices else hardware.device
    return f"{devices}, {hardware.precision}" if hardware.precision else devices


def _settings(run: Run) -> object:
    """What runs of one row have in common. A run that has not finished, or whose settings are lost, stands alone."""
    if run.settings is None or not run.finished:
        return str(run.path)
    settings = {name: value for name, value in run.settings.items() if name != "seed_everything"}
    data = settings.get("data")
    if isinstance(data, dict):
        settings["data"] = {name: value for name, value in data.items() if name not in _PATHS}
    contents = {name: content(fingerprint) for name, fingerprint in run.data.fingerprints.items()}
    made = [run.predictions_of and run.predictions, run.soup and run.command]
    return json.dumps([settings, run.steady, contents, describe_hardware(run), made], sort_keys=True, default=str)


def _row(runs: tuple[Run, ...], comparable: bool) -> Row:
    marks = dict.fromkeys(mark for run in runs for mark in _marks(run))
    return Row(runs, _figures(runs), (*marks, *(() if comparable else ("not comparable",))), comparable)


def _figures(runs: Sequence[Run]) -> dict[str, Figure]:
    seeds = len({run.seed for run in runs})
    figures = {name: _figure([get(run) for run in runs], seeds) for name, get in FIGURES.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


def _figure(values: Sequence[float | None], seeds: int) -> Figure | None:
    # A mean over the runs that have a figure would hide those that diverged.
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < len(values):
        return None
    return Figure(statistics.fmean(known), statistics.stdev(known) if seeds > 1 else None)


def _marks(run: Run) -> list[str]:
    """What has to be known of a run before it is compared."""
    if run.estimated:
        return ["estimated"]
    marks = [_ORIGIN[run.data.external]]
    if run.data.pseudo_labelled:
        marks.append("pseudo-labels")
    if not run.finished:
        marks.append(f"{facts.status(run)}, {facts.epochs(run)} epochs")
    if run.data.train_on != "train":
        marks.append("no validation")
    elif not run.best:
        marks.append("not validated")
    if run.settings is None:
        marks.append("settings unknown")
    marks += _made(run)
    marks += [f"{len(bad)} bad {split} records left out" for split, bad in run.data.bad_records.items() if bad]
    odd = [name for name, get in FIGURES.items() if (value := get(run)) is not None and not math.isfinite(value)]
    return [*marks, *(f"{name} is no number" for name in odd)]


def _made(run: Run) -> list[str]:
    """How what was scored was made, where that is no run's best epoch as it is."""
    marks = []
    if run.predictions_of and run.predictions and run.predictions.tta != "none":
        marks.append(f"views: {run.predictions.tta}")
    if run.soup:
        marks.append(f"{run.soup.method} soup of {len(run.members)}, scored on what it was chosen by")
    if run.ensemble:
        held_out = run.ensemble.macro_f1_cross_validated
        cross = f" (macro F1 cross-validated {held_out:.4f})" if held_out is not None else ""
        of = f" at {' and '.join(map(str, run.sizes))} px" if len(run.sizes) > 1 else ""
        weights = "weights fitted on val" if run.ensemble.weights == "search" else f"{run.ensemble.weights} weights"
        marks.append(f"blend of {len(run.members)}{of}, {weights}{cross}")
    return marks
