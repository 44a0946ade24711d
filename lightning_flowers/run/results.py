"""What a run's folder says of it, for whatever comes after the run: tables, blends, pages. Needs no torch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lightning_flowers.errors import UserError, path_text
from lightning_flowers.run.epochs import Epoch, best_epoch, first_wrong, read_history, speed_of
from lightning_flowers.run.folder import RunFolder, no_folder, runs_in

_LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "overfit_batches")


class _Section(BaseModel):
    # A blend's summary lacks keys, a newer version's has more: neither is a mistake.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Hardware(_Section):
    """What the run ran on; `compile_seconds` is of XLA."""

    device: str | None = None
    accelerator: str | None = None
    devices: int | None = None
    precision: str | None = None
    compile_seconds: float | None = None


class Data(_Section):
    """What the run was trained and scored on."""

    root: str | None = None
    size: int | None = None
    classes: int | None = None
    class_names: tuple[str, ...] = ()
    records: dict[str, int] = {}
    fingerprints: dict[str, str] = {}
    train_on: str = "train"
    folds: int | None = None
    fold: int | None = None
    external: bool | None = None
    pseudo_labelled: int = 0
    bad_records: dict[str, list[str]] = {}

    @property
    def beyond(self) -> str:
        """What was trained on beyond the data set's own labels, in words; "" if nothing was."""
        pseudo = f"{self.pseudo_labelled:,} pseudo-labels of test" if self.pseudo_labelled else ""
        return " and ".join(filter(None, ["external data" if self.external else "", pseudo]))


class MemberInfo(_Section):
    """A run that a blend or a soup was made of; `checkpoint` is the digest of the one that its predictions are of."""

    path: str
    backbone: str | None = None
    size: int | None = None
    weight: float | None = None
    checkpoint: str | None = None


class PredictionInfo(_Section):
    """How predictions were made, as `predict` notes it: views of each picture, how labels were decided, and the digest
    of the checkpoint."""

    tta: str = "none"
    decision: str = "argmax"
    adjustment: dict[str, Any] | None = None
    checkpoint: str | None = None


class BlendInfo(_Section):
    """How a blend was made, and its macro F1 on val; `weights` are search (fitted on val), equal or given."""

    method: str | None = None
    weights: str = "search"
    decision: str = "argmax"
    macro_f1_in_sample: float | None = None
    macro_f1_cross_validated: float | None = None
    macro_f1_of_best_run_cross_validated: float | None = None
    warning: str | None = None


class SoupInfo(_Section):
    """How a soup was made, and the macro F1 on val that it was chosen by."""

    method: str | None = None
    macro_f1: float | None = None


class Run(_Section):
    """A run, as its summary.json has it; None is what the summary lacks.

    Attributes:
        weights: what it began with, in words.
        best: the epoch with the highest macro F1 on val; None without validation.
        history: the rows of metrics.csv, the first epoch first.
        settings: of config.yaml; None where there is none.
        limits: settings of the Trainer that left part of the data out.
        predictions: how they were made; None where `fit` left them.
        predictions_of: of a folder that holds but predictions, the run that made them.
        ensemble, soup: of a blend and a soup.
        members: what a blend or a soup was made of, and `command` how; of other runs there is neither.
        estimated: whether it was only rehearsed: `path` is the file of the rehearsal then.
    """

    path: Path
    status: str | None = None
    backbone: str | None = None
    timm_name: str | None = None
    parameters: int | None = None
    depth: int | None = None
    weights: str | None = None
    trainable: bool | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    best: Epoch | None = None
    seconds_first_epoch: float | None = None
    seconds_per_epoch: float | None = None
    images_per_second: float | None = None
    data_wait_seconds_per_epoch: float | None = None
    hardware: Hardware = Hardware()
    data: Data = Data()
    versions: dict[str, str] = {}
    seed: int | None = None
    limits: dict[str, int | float] = {}
    predictions: PredictionInfo | None = None
    predictions_of: str | None = None
    ensemble: BlendInfo | None = None
    soup: SoupInfo | None = None
    members: tuple[MemberInfo, ...] = ()
    command: str | None = None
    history: tuple[Epoch, ...] = ()
    settings: dict[str, Any] | None = None
    estimated: bool = False

    def __fspath__(self) -> str:
        """Its folder: a run can be given wherever that can."""
        return str(self.path)

    @property
    def sizes(self) -> list[int]:
        """Sides in pixels of the pictures that it looks at: more than one where a blend's members differ."""
        of_members = {member.size for member in self.members if member.size is not None}
        return sorted(of_members) or ([self.data.size] if self.data.size is not None else [])

    @property
    def root(self) -> str | None:
        """Where its data lie: their shards, or where these are gone what they were made of."""
        root, asked = self.data.root, (self.settings or {}).get("data", {}).get("root")
        return root if root is None or asked is None or Path(root).is_dir() else asked

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.status == "finished"

    @property
    def steady(self) -> bool:
        """Whether seconds and images/s of an epoch leave out the first one, which warms up and compiles."""
        return (self.epochs or 0) > 1


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read a run from its folder.

    Raises:
        UserError: no run's folder, or summary.json, metrics.csv or config.yaml is damaged.
    """
    path = Path(path_text("run", path))
    folder = RunFolder(path)
    if not path.is_dir():
        raise UserError(f"{path}: {no_folder(path)}")
    if not folder.summary.is_file():
        said = "no summary.json in it: not the folder of a run that fit has begun to train"
        raise UserError(f"{path}: {said}{runs_in(path)}")
    summary: Any = folder.read_summary()
    history = read_history(folder.metrics)
    settings = folder.read_config() if folder.config.exists() else None
    files = {"path": path, "history": history, "settings": settings}
    try:
        run = Run.model_validate({**summary, **files})
    except ValidationError as error:
        raise UserError(f"{folder.summary}: damaged ({first_wrong(error)}): remove it") from error
    if len(history) <= (run.epochs or 0):
        return run
    best = best_epoch(history)  # it was killed: metrics.csv knows more
    return run.model_copy(update={**speed_of(history), "best": best, "best_epoch": best.epoch if best else None})


def names_of(runs: Sequence[Run]) -> list[str]:
    """What to call each run: its folder's name, or the path where two have the same name."""
    names = [run.path.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def limits_of(trainer: Mapping[str, Any]) -> dict[str, int | float]:
    """Settings of the Trainer that leave part of the data out; 1.0 is all batches, 1 is one, 0 is none at all."""
    return {name: trainer[name] for name in _LIMITS if _leaves_out(trainer.get(name))}


def _leaves_out(value: Any) -> bool:
    return value not in (None, 0) and not (isinstance(value, float) and value == 1)
