"""What is fitted on a run's val predictions when it is loaded: its temperature, and its decision if asked for.

They are fitted anew each time, from predictions/val.npz as it is now: a temperature that is stored somewhere would
outlive the predictions that it was fitted on. It takes well under a second.
"""

from pathlib import Path
from typing import NamedTuple

from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.calibration import fit_temperature
from lightning_flowers.evaluation.decision import Adjustment, Decision, fit_adjustment
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions


class Fitted(NamedTuple):
    """What val says of a run's probabilities.

    Attributes:
        temperature: 1 if the run has no val predictions.
        calibrated: whether it has.
        adjustment: of the decision; None for the most probable class.
    """

    temperature: float
    calibrated: bool
    adjustment: Adjustment | None


def fit_on_val(path: Path, decision: Decision) -> Fitted:
    """Fit on the val predictions of a run's folder.

    Raises:
        UserError: they cannot be used; or there are none, and the decision needs them.
    """
    file = RunFolder(path).predictions("val")
    if not file.is_file():
        if decision == "adjusted":
            raise UserError(f"{path}: decision adjusted is fitted on val, and the run has no predictions of it")
        return Fitted(1.0, False, None)
    val = Predictions.load(file, labelled=True)
    assert val.labels is not None
    adjustment = fit_adjustment(val.probabilities, val.labels) if decision == "adjusted" else None
    return Fitted(fit_temperature(val.probabilities, val.labels), True, adjustment)
