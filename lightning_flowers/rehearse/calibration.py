"""Estimates beside what others measured: how far to trust them."""

import csv
from importlib.resources import files

from pydantic import BaseModel

from lightning_flowers.compare.study import RESULTS

TABLE = files("lightning_flowers.rehearse") / "estimates.csv"  # `make tpu-table` writes it
# Seconds an epoch of the competition's 12,753 + 3,712 records took on a v3-8 with TensorFlow, by backbone, size and
# global batch: the study's runs of whole models, its comparison of hardware, and Google's "Flower book" (public).
MEASURED = {
    **{(name, row.size, 128): row.seconds_per_epoch for name, row in RESULTS.items() if row.trainable},
    ("densenet201", 224, 128): 25.0,
    ("xception", 512, 256): 22.0,
}


class Estimated(BaseModel):
    """A row of the table: what libtpu said of a backbone on a chip. Where it does not fit there is but `gigabytes`.

    gigabytes: of a core, of the graph that needs the most.
    compile_seconds: of all graphs, where the table was made.
    million_cycles, milliseconds: of a training step, or a step of the pass that makes a frozen backbone's features.
    train_seconds, val_seconds: of an epoch.
    features_seconds: of a frozen backbone's features, once a run.
    """

    backbone: str
    chip: str
    size: int
    batch: int
    gigabytes: float
    compile_seconds: float | None = None
    million_cycles: float | None = None
    milliseconds: float | None = None
    train_seconds: float | None = None
    val_seconds: float | None = None
    features_seconds: float | None = None
    versions: str

    @property
    def epoch_seconds(self) -> float | None:
        """Of train and val."""
        return None if self.train_seconds is None or self.val_seconds is None else self.train_seconds + self.val_seconds

    @property
    def measured(self) -> float | None:
        """Seconds that such an epoch took where others measured it."""
        return MEASURED.get((self.backbone, self.size, self.batch)) if self.chip == "v3-8" else None


def read_table() -> list[Estimated]:
    """The rows as they were made; none before."""
    if not TABLE.is_file():
        return []
    with TABLE.open(encoding="utf-8") as lines:
        return [Estimated.model_validate({k: v or None for k, v in row.items()}) for row in csv.DictReader(lines)]


def calibrations() -> list[tuple[Estimated, float]]:
    """Rows beside which something was measured, and how many times as long as estimated that took."""
    return [(row, row.measured / row.epoch_seconds) for row in read_table() if row.measured and row.epoch_seconds]


def spread() -> str:
    """How far measured runs were from their estimates, in words; empty without a table."""
    ratios = [ratio for _, ratio in calibrations()]
    if not ratios:
        return ""
    return (
        f"{len(ratios)} runs that others measured on a v3-8, with TensorFlow, took {min(ratios):.1f} to "
        f"{max(ratios):.1f} times as long as such an estimate"
    )
