"""What stands in a report, before it is HTML."""

from collections.abc import Sequence
from typing import Any

from lightning_flowers.cli.commands import command
from lightning_flowers.report import facts, provenance
from lightning_flowers.report.facts import Fact
from lightning_flowers.report.findings import Findings
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import Run
from lightning_flowers.secrets import redact

_CALIBRATION = """\
The temperature T makes probabilities p softmax(log p / T): above 1 less sure, below 1 surer. ECE is the expected \
calibration error in 15 bins of equal width, NLL the mean loss in nats. Cross-validated: each fold with the \
temperature of the other folds."""
_OF_BLEND = "Of a blend that is the temperature alone, not the weights."


def tell(run: Run, findings: Findings | None, external: bool | None, missing: Sequence[str]) -> dict[str, Any]:
    """What is known of a run, by the names that the template has for it; everything but the pictures.

    Args:
        findings: None without predictions of val.
        external: whether it is trained on other data sets too; None if that is unknown.
        missing: what else the report lacks, why, and how to make it, a line each; commands stand between backticks.
    """
    scores, scores_from = _scores(run, findings)
    return {
        "title": facts.title(run),
        "subtitle": facts.subtitle(run),
        "badges": [*facts.badges(run, external), *provenance.badges(run)],
        "scores": [*scores, *provenance.scores(run)],
        "scores_from": " ".join([scores_from, *provenance.notes(run)]),
        "training": facts.training(run),
        "missing": [*_unfinished(run), *missing],
        "findings": findings,
        "calibration_note": f"{_CALIBRATION} {_OF_BLEND}" if run.ensemble else _CALIBRATION,
        "settings": facts.settings(RunFolder(run.path)),
        "hardware": facts.hardware(run),
        "data": _data(run),
        "splits": facts.splits(run),
        "bad_records": {split: list(map(redact, lines)) for split, lines in run.data.bad_records.items()},
        "versions": run.versions,
        "repeat": provenance.repeat(run),
    }


def _scores(run: Run, findings: Findings | None) -> tuple[list[Fact], str]:
    if findings is None:
        return facts.best_scores(run), "Val scores of the best epoch, as metrics.csv has them."
    found = findings.scores
    scores = facts.val_scores(found.macro_f1, found.macro_f1_present, found.accuracy, findings.loss)
    present = sum(row.support + row.predicted > 0 for row in findings.classes)
    return scores, (
        f"Of {findings.records:,} val records, from predictions/val.npz. Of the {len(findings.names)} classes, "
        f"{present} are present: true of a record, or predicted for one."
    )


def _unfinished(run: Run) -> list[str]:
    if run.finished:
        return []
    resume = command("fit", "--resume", run.predictions_of or run.path)
    return [f"The run has not finished: the report is of what it has left so far. Go on with `{resume}`"]


def _data(run: Run) -> str:
    data = run.data
    root = redact(data.root) if data.root else "an unknown folder"
    folds = f", val is fold {data.fold} of {data.folds}" if data.folds else ""
    return f"{root}, trained on {data.train_on}{folds}"
