"""What a blend's folder tells of it: the settings to make it again from, and a summary that reads as a run's."""

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import yaml

from lightning_flowers import __version__
from lightning_flowers.cli.commands import command
from lightning_flowers.ensemble.members import Members
from lightning_flowers.ensemble.result import Outcome
from lightning_flowers.evaluation.confusion import confusion_matrix, scores
from lightning_flowers.evaluation.cross_validation import FOLDS
from lightning_flowers.run.results import Data


def config_of(outcome: Outcome) -> str:
    """config.yaml: the runs, and how they were blended."""
    options = outcome.options
    weights = options.weights if isinstance(options.weights, str) else list(options.weights)
    settings = {"runs": _places(outcome), "method": options.method, "weights": weights, "decision": options.decision}
    return yaml.safe_dump({"ensemble": settings}, sort_keys=False)


def command_of(outcome: Outcome) -> str:
    """The command that makes the same blend."""
    options = outcome.options
    weights = options.weights if isinstance(options.weights, str) else ",".join(map(str, options.weights))
    flags = [f"--method={options.method}", f"--weights={weights}", f"--decision={options.decision}"]
    return command("ensemble", *_places(outcome), *flags)


def summary_of(outcome: Outcome) -> dict[str, Any]:
    """summary.json. `best` has the scores of predictions/val.npz, the most probable classes, searched weights being
    fitted on these very records; `ensemble` those of what was decided, in-sample and cross-validated."""
    members, taken = outcome.members, outcome.taken
    found = scores(confusion_matrix(members.labels, taken.blend.argmax(1), taken.blend.shape[1]))
    weighed = zip(_places(outcome), members.runs, taken.weights.tolist(), strict=True)
    return {
        "status": "finished",
        "backbone": "ensemble",
        "best": {
            "epoch": 0,  # there is none, but a run's best scores are those of an epoch
            "val_loss": taken.log_loss,
            **{f"val_{name}": value for name, value in found._asdict().items()},
        },
        "members": [
            {
                **{"path": place, "backbone": run.backbone, "size": run.data.size, "weight": weight},
                "checkpoint": run.predictions.checkpoint if run.predictions else None,
            }
            for place, run, weight in weighed
        ],
        "ensemble": _facts(outcome),
        "command": command_of(outcome),
        "versions": _versions(),
        "data": data_of(members).model_dump(mode="json"),
    }


def data_of(members: Members) -> Data:
    """What the blend's summary says of its data: the first run's, but for what others have otherwise."""
    all_data = [run.data for run in members.runs]
    unknown = any(data.external is None for data in all_data)
    return all_data[0].model_copy(
        update={
            "records": _shared([data.records for data in all_data]),
            "fingerprints": _shared([data.fingerprints for data in all_data]),
            "bad_records": _shared([data.bad_records for data in all_data]),
            "external": members.external or (None if unknown else False),
            "pseudo_labelled": max(data.pseudo_labelled for data in all_data),
        }
    )


def _facts(outcome: Outcome) -> dict[str, Any]:
    options, adjustment = outcome.options, outcome.adjustment
    return {
        "method": options.method,
        "weights": options.weights if isinstance(options.weights, str) else "given",
        "decision": options.decision,
        "adjustment": adjustment.facts() if adjustment else None,
        "folds": FOLDS,
        "macro_f1_in_sample": outcome.taken.in_sample.macro_f1,
        "macro_f1_cross_validated": outcome.taken.cross_validated,
        "macro_f1_of_best_run_cross_validated": outcome.best_run.cross_validated,
        "warning": outcome.warning,
    }


def _places(outcome: Outcome) -> list[str]:
    return [os.path.realpath(run.path) for run in outcome.members.runs]


def _versions() -> dict[str, str]:
    installed = {name: metadata.version(name) for name in ("numpy", "scipy")}
    return {"python": platform.python_version(), "lightning_flowers": __version__, **installed}


def _shared(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all have under the same name."""
    return {name: value for name, value in parts[0].items() if all(part.get(name) == value for part in parts)}
