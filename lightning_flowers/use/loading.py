"""From a run's folder to a predictor."""

import os
from dataclasses import replace
from pathlib import Path

from lightning_flowers import hardware
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Decision
from lightning_flowers.model.views import TTA, Tta
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import Run, read_run
from lightning_flowers.use.calibrating import Fitted, fit_on_val
from lightning_flowers.use.members import Member, Origin, find_origin, load_member, of_checkpoint
from lightning_flowers.use.predictor import Predictor


def load(
    run: str | os.PathLike[str],
    *,
    accelerator: str = "auto",
    tta: Tta | None = None,
    decision: Decision = "argmax",
    size: int | None = None,
) -> Predictor:
    """Load a trained model to answer about pictures.

    Args:
        run: folder of a run, a soup or a blend (whose members must lie where they lay, or beside it); or a checkpoint.
        accelerator: auto (TPU, then CUDA, then CPU), cpu, cuda or tpu.
        tta: views of each picture: none, flips (2), dihedral (8), multi-scale (3). Default: those of the run's own
            predictions, none unless `predict --tta` made them.
        decision: argmax, or adjusted: fitted on val for macro F1.
        size: side of the pictures in pixels, for a checkpoint that lies outside of a run's folder.

    Raises:
        UserError: it is not there or cannot be used; says what to do.
    """
    path = Path(run).expanduser()
    if tta is not None and tta not in TTA:
        raise UserError(f"tta={tta}: must be one of {', '.join(TTA)}")
    device = hardware.device_of(accelerator)
    predictor = _of_file(path, tta, decision, size) if path.is_file() else _of_folder(path, tta, decision)
    for member in predictor.members:
        hardware.prepare_for_inference(member.model, device)
    return replace(predictor, device=device)


def _of_folder(path: Path, tta: Tta | None, decision: Decision) -> Predictor:
    run = read_run(path)
    fitted = fit_on_val(path, decision)
    if run.ensemble is None:
        return _of_one(path, load_member(find_origin(path), (), 1.0, fitted.temperature, tta), fitted)
    members = _members_of(run, tta)
    return Predictor(
        name=path.resolve().name,
        path=path,
        classes=tuple(members[0].model.class_names),
        members=members,
        method=run.ensemble.method or "arithmetic",
        temperature=fitted.temperature,
        calibrated=fitted.calibrated,
        adjustment=fitted.adjustment,
        external=run.data.external,
    )


def _members_of(run: Run, tta: Tta | None) -> tuple[Member, ...]:
    """Those that count: the weights' search leaves some with none."""
    given = [(member.path, member.weight or 0.0) for member in run.members]
    total = sum(weight for _, weight in given)
    if total <= 0:
        raise UserError(f"{run.path}: its summary.json does not tell its members' weights: blend them anew")
    origins = [(find_origin(Path(path), run.path.parent), weight / total) for path, weight in given if weight > 0]
    members: list[Member] = []
    for origin, weight in origins:
        classes = run.data.class_names or (members[0].model.class_names if members else ())
        members.append(load_member(origin, classes, weight, 1.0, tta))
    return tuple(members)


def _of_file(path: Path, tta: Tta | None, decision: Decision, size: int | None) -> Predictor:
    origin = of_checkpoint(path, size)
    fitted = fit_on_val(origin.run.path, decision) if _is_best(origin) else Fitted(1.0, False, None)
    if decision == "adjusted" and fitted.adjustment is None:
        raise UserError(f"{path}: decision adjusted is fitted on val predictions, of which it has none")
    return _of_one(path, load_member(origin, (), 1.0, fitted.temperature, tta), fitted)


def _is_best(origin: Origin) -> bool:
    """Whether the run's predictions are of this checkpoint."""
    folder = RunFolder(origin.run.path)
    return folder.best.is_file() and folder.best.samefile(origin.checkpoint)


def _of_one(path: Path, member: Member, fitted: Fitted) -> Predictor:
    return Predictor(
        name=path.resolve().stem if path.is_file() else path.resolve().name,
        path=path,
        classes=tuple(member.model.class_names),
        members=(member,),
        calibrated=fitted.calibrated,
        adjustment=fitted.adjustment,
        external=member.run.data.external,
    )
