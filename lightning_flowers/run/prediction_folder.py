"""Predictions of a run in a folder of their own, which reads as a run's; and whether they are of its weights still."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_flowers.errors import UserError
from lightning_flowers.files import digest, write_text
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import Run, read_run
from lightning_flowers.secrets import redact

_OF = "predictions_of"


@dataclass(frozen=True)
class Origin:
    """A checkpoint, and the summary that goes with it.

    Attributes:
        run: whose it is, or the folder of predictions that it made.
        checkpoint: the file.
        noted: the digest that it had when predictions were made with it; None where older versions noted none.
    """

    run: Run
    checkpoint: Path
    noted: str | None

    @property
    def changed(self) -> bool:
        """Whether predictions are of other weights: the run went on since, or another has taken its place."""
        return self.noted is not None and self.noted != digest(self.checkpoint)


def find_origin(path: Path, beside: Path | None = None) -> Origin:
    """The checkpoint of a run, or of the run whose predictions a folder holds.

    Args:
        path: of a run's folder.
        beside: where runs may lie that are no longer at their place.

    Raises:
        UserError: there is none.
    """
    place = beside / path.name if beside and not path.is_dir() else path
    run = read_run(place)
    noted = run.predictions.checkpoint if run.predictions else None
    if run.predictions_of is not None:
        source = Path(run.predictions_of)
        return Origin(run, source if source.is_file() else find_origin(source, place.parent).checkpoint, noted)
    return Origin(run, RunFolder.open(place).checkpoint(), noted)


def outdated(run: Path) -> str | None:
    """What to say of a run whose predictions are of other weights than its checkpoint has now; None of others, and
    where that is not known."""
    with suppress(UserError, OSError):
        if find_origin(run).changed:
            what = "its predictions, and a submission of them, are of other weights than its checkpoint has now"
            return f"{run}: {what}: predict them anew"
    return None


def choose_out(out: str, run: RunFolder | None, checkpoint: str) -> RunFolder:
    """The folder for predictions that are not to lie in the run's own.

    Args:
        run: whose predictions they will be; None of a checkpoint by itself.
        checkpoint: from which they will be.

    Raises:
        UserError: it is a file, or holds a run, or other predictions than those of this run.
    """
    folder = RunFolder(Path(out))
    place = next(path for path in (folder.path.absolute(), *folder.path.absolute().parents) if path.exists())
    if not out or not place.is_dir():
        raise UserError(f"--out={out}: {f'{place} is a file: ' if out else ''}give a folder")
    files = (folder.config, folder.summary, folder.submission, folder.predictions("val"), folder.predictions("test"))
    if any(file.exists() for file in files) and folder.read_summary().get(_OF) != _name(run, checkpoint):
        raise UserError(f"--out={out}: holds another run, which would be overwritten: give a new folder")
    return folder


def note_predictions(
    folder: RunFolder, run: RunFolder | None, checkpoint: str, data: dict[str, Any], facts: dict[str, Any]
) -> None:
    """Say in summary.json how predictions were made. A folder of their own becomes one that reads as a run's, with the
    run's settings, and its summary with the scores of these predictions.

    Args:
        run: whose they are; None of a checkpoint by itself.
        checkpoint: from which they are, by itself or of the run.
        data: what the datamodule says of the data that was predicted.
        facts: test-time augmentation, decision and scores.
    """
    facts = {**facts, "checkpoint": digest(Path(checkpoint))}
    if run is not None and folder is run:
        run.write_summary({"predictions": facts})
        return
    summary = run.read_summary() if run else {}
    known = summary.get("data", {})
    merged = {name: {**known.get(name, {}), **data[name]} for name in ("records", "fingerprints")}
    best = summary.get("best") or {}
    scores = {f"val_{name}": value for name, value in facts.get("val", {}).items()}
    changed = {
        _OF: _name(run, checkpoint),
        "best": {"epoch": best.get("epoch", 0), **scores} if scores else None,
        "data": {**known, **data, **merged},
        "predictions": facts,
    }
    folder.write_summary({**summary, **changed})
    if run:
        write_text(folder.config, redact(run.config.read_text("utf-8")))  # of an older run it has secrets


def _name(run: RunFolder | None, checkpoint: str) -> str:
    return str(run.path.resolve()) if run else str(Path(checkpoint).resolve())
