"""From a run's folder to a predictor."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from pytorch_lightning.utilities.seed import isolate_rng

from lightning_flowers import hardware
from lightning_flowers.errors import UserError, path_text
from lightning_flowers.evaluation.calibration import fit_temperature
from lightning_flowers.evaluation.decision import Adjustment, Decision, fit_adjustment
from lightning_flowers.model.views import TTA, Tta
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.prediction_folder import Origin, find_origin
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import MemberInfo, Run, read_run
from lightning_flowers.use.members import Member, load_member
from lightning_flowers.use.predictor import Predictor


def load(
    run: str | os.PathLike[str],
    *,
    accelerator: str = "auto",
    tta: Tta | None = None,
    decision: Decision = "argmax",
) -> Predictor:
    """Load a trained model to answer about pictures.

    Args:
        run: folder of a run, a soup or a blend (whose members must lie where they lay, or beside it).
        accelerator: auto (TPU, then CUDA, then CPU), cpu, cuda or tpu.
        tta: views of each picture: none, flips (2), dihedral (8). Default: those of the run's own
            predictions, none unless `predict --tta` made them.
        decision: argmax, or adjusted: fitted on val for macro F1.

    Raises:
        UserError: it is not there or cannot be used; says what to do.
    """
    path = Path(path_text("run", run)).expanduser()
    if tta is not None and tta not in TTA:
        raise UserError(f"--tta={tta}: must be one of {', '.join(TTA)}")
    if decision not in get_args(Decision):
        raise UserError(f"--decision={decision}: must be one of {', '.join(get_args(Decision))}")
    device = hardware.device_of(accelerator)
    known = read_run(path)
    origins = _origins_of(known)
    changed = next((origin.run.path for origin, _ in origins if origin.changed), None)
    if changed:
        anew = "until the blend is made anew" if known.ensemble else "until they are made anew"
        warnings.warn(f"{changed}: has other weights than those that the predictions in {path} are of: answers are not "
                      f"calibrated {anew}", stacklevel=2)  # fmt: skip
    temperature, adjustment = _fit_on_val(path, decision, bool(changed))
    with isolate_rng(include_cuda=False):  # a model is built with random weights before it gets its own
        members = _load_members(origins, known.data.class_names, tta)
    for member in members:
        hardware.prepare_for_inference(member.model, device)
    return Predictor(
        name=path.resolve().name,
        path=path,
        classes=tuple(members[0].model.class_names),
        members=members,
        method=(known.ensemble and known.ensemble.method) or "arithmetic",
        temperature=temperature or 1.0,
        calibrated=temperature is not None,
        adjustment=adjustment,
        external=known.data.external,
        device=device,
    )


def _fit_on_val(path: Path, decision: Decision, changed: bool) -> tuple[float | None, Adjustment | None]:
    """The temperature and the decision of predictions/val.npz as it is now; None where there is none, or one of
    weights that have changed.

    They are fitted anew each time, well under a second: what is stored would outlive the predictions it was fitted on.
    """
    file = RunFolder(path).predictions("val")
    if changed or not file.is_file():
        if decision == "adjusted":
            raise UserError(f"{path}: decision adjusted is fitted on val: the run has none predicted by its weights")
        return None, None
    val = Predictions.load(file, labelled=True)
    assert val.labels is not None
    adjustment = fit_adjustment(val.probabilities, val.labels) if decision == "adjusted" else None
    return fit_temperature(val.probabilities, val.labels), adjustment


def _origins_of(run: Run) -> list[tuple[Origin, float]]:
    """The checkpoints that answer, by weight: of a blend those that count, as the weights' search leaves some none."""
    if run.ensemble is None:
        return [(find_origin(run.path), 1.0)]
    total = sum(member.weight or 0.0 for member in run.members)
    if total <= 0:
        raise UserError(f"{run.path}: its summary.json does not tell its members' weights: blend them anew")
    return [(_origin_of(run, member), member.weight / total) for member in run.members if member.weight]


def _origin_of(blend: Run, member: MemberInfo) -> Origin:
    try:
        return replace(find_origin(Path(member.path), blend.path.parent), noted=member.checkpoint)
    except UserError as error:
        raise UserError(f"{blend.path}: needs the runs that it blends: {error}") from error


def _load_members(
    origins: Sequence[tuple[Origin, float]], classes: Sequence[str], tta: Tta | None
) -> tuple[Member, ...]:
    """All with their classes in one order."""
    members: list[Member] = []
    for origin, weight in origins:
        known = classes or (members[0].model.class_names if members else ())
        members.append(load_member(origin, known, weight, tta))
    return tuple(members)
