"""From a run's folder to a predictor."""

import os
from pathlib import Path
from typing import get_args

from pytorch_lightning.utilities.seed import isolate_rng

from lightning_flowers import hardware
from lightning_flowers.errors import UserError, path_text
from lightning_flowers.evaluation.calibration import fit_temperature
from lightning_flowers.evaluation.decision import Adjustment, Decision, fit_adjustment
from lightning_flowers.model.views import TTA, Tta
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import Run, read_run
from lightning_flowers.use.members import Member, find_origin, load_member
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
    temperature, adjustment = _fit_on_val(path, decision)
    with isolate_rng(include_cuda=False):  # a model is built with random weights before it gets its own
        members = _members_of(known, tta) if known.ensemble else (load_member(find_origin(path), (), 1.0, tta),)
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


def _fit_on_val(path: Path, decision: Decision) -> tuple[float | None, Adjustment | None]:
    """The temperature and the decision of predictions/val.npz as it is now; None where there is none.

    They are fitted anew each time, well under a second: what is stored would outlive the predictions it was fitted on.
    """
    file = RunFolder(path).predictions("val")
    if not file.is_file():
        if decision == "adjusted":
            raise UserError(f"{path}: decision adjusted is fitted on val, and the run has no predictions of it")
        return None, None
    val = Predictions.load(file, labelled=True)
    assert val.labels is not None
    adjustment = fit_adjustment(val.probabilities, val.labels) if decision == "adjusted" else None
    return fit_temperature(val.probabilities, val.labels), adjustment


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
        members.append(load_member(origin, classes, weight, tta))
    return tuple(members)
