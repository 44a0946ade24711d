"""A rehearsal's findings as a run, which was never run: its row says what an epoch would take on a TPU."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lightning_flowers.errors import UserError
from lightning_flowers.run.results import Run


def read_estimate(path: Path) -> Run:
    """Read what `rehearse --json` has written.

    Raises:
        UserError: it is no such file, or the run that was rehearsed does not fit the chip: there is no estimate then.
    """
    try:
        facts: Any = json.loads(path.read_text("utf-8"))
        if facts["graphs"] and "estimated" not in facts:
            raise UserError(f"{path}: the run does not fit {facts['chip']}: there is no estimate of it: leave it out")
        return Run.model_validate({"path": path, "estimated": True, **_as_summary(facts)})
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise UserError(f"{path}: not written by `rehearse --json`, or by an older one: rehearse again") from error


def _as_summary(facts: dict[str, Any]) -> dict[str, Any]:
    """In the words of a run's summary.json."""
    times, batch = facts["estimated"], facts["batch"]
    step = next(graph["seconds"] for graph in facts["graphs"] if graph["stage"] == "training step")
    return {
        **{name: facts[name] for name in ("backbone", "timm_name", "trainable")},
        "status": "finished",
        "epochs": times["epochs"],
        "seconds_per_epoch": times["epoch"],
        "images_per_second": batch / step,
        "hardware": {
            "device": facts["chip"],
            "precision": facts["precision"],
            "compile_seconds": times["compiling"],
        },
        "data": {"size": facts["size"], "records": facts["records"]},
        "settings": {"data": {"batch_size": batch}},
    }
