"""Makes the report of a run from its folder, and writes it there."""

from dataclasses import asdict
from pathlib import Path

from lightning_flowers.cli.commands import command
from lightning_flowers.errors import UserError
from lightning_flowers.files import csv_text, write_text
from lightning_flowers.report.contents import tell
from lightning_flowers.report.curves import draw_curves
from lightning_flowers.report.facts import class_names
from lightning_flowers.report.findings import Findings, find
from lightning_flowers.report.gallery import photograph, to_jpeg
from lightning_flowers.report.matrix import draw_confusion
from lightning_flowers.report.page import SUSPECTS, to_html
from lightning_flowers.report.reliability import draw_reliability
from lightning_flowers.report.style import save, to_png
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.prediction_folder import outdated
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import Run, read_run

_PIXELS = 224  # side of a picture in the page
_CLASSES = ("class", "name", "precision", "recall", "f1", "support", "predicted")
_SUSPECTS = ("id", "label", "name", "suggested", "suggested_name", "probability", "suggested_probability")


def write_report(path: Path, data_root: str | None = None) -> list[Path]:
    """Write the report of the run in a folder, in place of an older one, and its calibration into summary.json.

    What a run lacks is left out, and the page says how to make it. Nothing is written before all is made.

    Args:
        data_root: where its data lie now. Default: where summary.json says.

    Returns:
        The files, report.html last.

    Raises:
        UserError: no run's folder, a damaged file in it, predictions that cannot be used, or no data in `data_root`.
        OSError: a file cannot be read or written.
    """
    run, folder = read_run(path), RunFolder(path)
    predictions, missing = _predictions(run, folder)
    findings = _findings(run, predictions) if predictions else None
    shown = [*findings.worst, *findings.unsure, *findings.suspects[:SUSPECTS]] if findings else []
    pictures, unseen = photograph(run, shown, data_root) if shown else ({}, [])
    missing += [*unseen, *([] if run.history or run.members else ["Curves: no epoch is in metrics.csv"])]
    external = True if predictions and predictions.external else run.data.external
    contents = tell(run, findings, external, missing)
    figures, texts = _plots(run, folder, findings), _sheets(folder, findings)
    charts = {file.stem: png for file, png in figures.items()}
    charts |= {f"{file.stem}-narrow": png for file, png in _plots(run, folder, findings, narrow=True).items()}
    texts[folder.page] = to_html(
        contents, charts, {name: to_jpeg(picture, _PIXELS) for name, picture in pictures.items()}
    )
    _write(folder, findings, figures, texts)
    return [*figures, *texts]


def _predictions(run: Run, folder: RunFolder) -> tuple[Predictions | None, list[str]]:
    """The predictions of val; if there are none, why, and how to make them."""
    path = folder.predictions("val")
    if run.data.train_on != "train":
        why = f"it was trained on {run.data.train_on} (--data.train_on), which leaves nothing to validate on"
        return None, [f"Confusions, classes, errors and calibration: {why}"]
    if path.is_file():
        old = outdated(run.path)
        return Predictions.load(path, labelled=True), [old] if old else []
    make = f"make it with `{command('predict', '--run', folder.path)}`, then report anew"
    return None, [f"Confusions, classes, errors and calibration: no predictions/val.npz: {make}"]


def _findings(run: Run, predictions: Predictions) -> Findings:
    if not len(predictions.ids):
        raise UserError(f"{RunFolder(run.path).predictions('val')}: holds no record: make it anew with predict")
    return find(predictions, class_names(run.data.class_names, predictions.probabilities.shape[1]))


def _plots(run: Run, folder: RunFolder, findings: Findings | None, narrow: bool = False) -> dict[Path, bytes]:
    """The plots as PNG, by the file that each goes to.

    Args:
        narrow: as the page has them on a phone.
    """
    plots = {folder.curves: draw_curves(run.history, narrow)} if run.history else {}
    if findings is not None:
        plots[folder.confusion] = draw_confusion(findings.confusion, findings.names, narrow)
        plots[folder.reliability] = draw_reliability(findings.before, findings.after, narrow)
    return {file: to_png(figure) for file, figure in plots.items()}


def _sheets(folder: RunFolder, findings: Findings | None) -> dict[Path, str]:
    """The CSV files, in full precision: the scores of each class, and the records whose label may be wrong."""
    if findings is None:
        return {}
    suspects = [
        (one.id, one.label, one.name, one.other, one.other_name, one.probability, one.other_probability)
        for one in findings.suspects
    ]
    return {
        folder.classes: csv_text(_CLASSES, findings.classes),
        folder.suspects: csv_text(_SUSPECTS, suspects),
    }


def _write(folder: RunFolder, findings: Findings | None, figures: dict[Path, bytes], texts: dict[Path, str]) -> None:
    """Write the page last: where it is, the others are, and none that an older report had made of other predictions."""
    of_predictions = {folder.confusion, folder.classes, folder.reliability, folder.suspects}
    for stale in of_predictions - {*figures, *texts}:
        stale.unlink(missing_ok=True)
    if findings is not None:
        folder.write_summary({"calibration": asdict(findings.calibration)})
    for path, png in figures.items():
        save(png, path)
    for path, text in texts.items():
        write_text(path, text)
