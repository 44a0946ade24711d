"""Makes the report of a run from its folder, and writes it there."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.grid import Shown
from lightning_flowers.report.contents import tell
from lightning_flowers.report.csv_files import classes_csv, suspects_csv
from lightning_flowers.report.curves import draw_curves
from lightning_flowers.report.facts import class_names, command
from lightning_flowers.report.findings import Findings, Record, find
from lightning_flowers.report.gallery import draw_gallery, to_jpeg
from lightning_flowers.report.matrix import draw_confusion
from lightning_flowers.report.page import SUSPECTS, Jpegs, percent, to_html
from lightning_flowers.report.photographs import Photographs, photograph, shown
from lightning_flowers.report.reliability import draw_reliability
from lightning_flowers.report.style import save
from lightning_flowers.report.svg import inline_svg
from lightning_flowers.report.text import to_markdown
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import Run, read_run

_PIXELS, _COLUMNS = 224, 4  # side of a picture in the page; pictures beside each other in worst.jpg


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
    photographs = photograph(run, shown(findings, SUSPECTS), data_root) if findings else Photographs()
    missing += [*photographs.missing, *([] if run.history or run.members else ["Curves: no epoch is in metrics.csv"])]
    external = True if predictions and predictions.external else run.data.external
    report = tell(run, findings, external, missing)
    figures = _figures(run, folder, findings, photographs)
    texts = _sheets(folder, findings)
    texts[folder.page_markdown] = to_markdown(report, [file.name for file in figures])
    charts = {file.stem: inline_svg(figure, file.stem) for file, figure in figures.items() if file.suffix == ".png"}
    texts[folder.page] = to_html(report, charts, _jpegs(findings, photographs))
    _write(folder, findings, figures, texts)
    return [*figures, *texts]


def _predictions(run: Run, folder: RunFolder) -> tuple[Predictions | None, list[str]]:
    """The predictions of val; if there are none, why, and how to make them."""
    path = folder.predictions("val")
    if run.data.train_on != "train":
        why = f"it was trained on {run.data.train_on} (--data.train_on), which leaves nothing to validate on"
        return None, [f"Confusions, classes, errors and calibration: {why}"]
    if path.is_file():
        return Predictions.load(path, labelled=True), []
    return None, [f"Confusions, classes, errors and calibration: {_how_to_predict(folder)}"]


def _how_to_predict(folder: RunFolder) -> str:
    lacking = "no predictions/val.npz"
    try:
        folder.checkpoint()
    except UserError as error:
        return f"{lacking}, and no weights to make it with: {error}"
    return f"{lacking}: make it with `{command('predict', '--run', folder.path)}`, then report anew"


def _findings(run: Run, predictions: Predictions) -> Findings:
    if not len(predictions.ids):
        raise UserError(f"{RunFolder(run.path).predictions('val')}: holds no record: make it anew with predict")
    return find(predictions, class_names(run.data.class_names, predictions.probabilities.shape[1]))


def _figures(run: Run, folder: RunFolder, findings: Findings | None, photographs: Photographs) -> dict[Path, Figure]:
    """The figures by the file that each goes to."""
    figures = {folder.curves: draw_curves(run.history)} if run.history else {}
    if findings is None:
        return figures
    calibration = findings.calibration
    figures[folder.confusion] = draw_confusion(findings.confusion, findings.names)
    figures[folder.reliability] = draw_reliability(
        findings.before, findings.after, calibration.ece_before, calibration.ece_after
    )
    groups = {folder.worst: findings.worst, folder.unsure: findings.unsure}
    galleries = {path: _titled(records, photographs) for path, records in groups.items()}
    return figures | {path: draw_gallery(shown, _COLUMNS) for path, shown in galleries.items() if shown}


def _titled(records: Sequence[Record], photographs: Photographs) -> list[Shown]:
    """The records that have a picture, with what is to be said of each."""
    pairs = zip(records, photographs.of(records), strict=False)
    return [Shown(picture, _title(record)) for record, picture in pairs if picture is not None]


def _title(record: Record) -> str:
    taken = "taken for it" if record.right else f"taken for {record.other_name}"
    return f"{record.name}\n{taken}, {percent(record.other_probability)}\n{record.id}"


def _sheets(folder: RunFolder, findings: Findings | None) -> dict[Path, str]:
    if findings is None:
        return {}
    return {folder.classes: classes_csv(findings.classes), folder.suspects: suspects_csv(findings.suspects)}


def _jpegs(findings: Findings | None, photographs: Photographs) -> Jpegs:
    if findings is None:
        return Jpegs()
    groups = (findings.worst, findings.unsure, findings.suspects[:SUSPECTS])
    return Jpegs(
        *(
            [picture if picture is None else to_jpeg(picture, _PIXELS) for picture in photographs.of(some)]
            for some in groups
        )
    )


def _write(folder: RunFolder, findings: Findings | None, figures: dict[Path, Figure], texts: dict[Path, str]) -> None:
    """Write the page last: where it is, the others are, and none that an older report had made of other predictions."""
    for stale in _of_predictions(folder) - {*figures, *texts}:
        stale.unlink(missing_ok=True)
    if findings is not None:
        folder.write_summary({"calibration": asdict(findings.calibration)})
    for path, figure in figures.items():
        save(figure, path)
    for path, text in texts.items():
        write_text(path, text)


def _of_predictions(folder: RunFolder) -> set[Path]:
    """The files that a report makes of predictions."""
    return {folder.confusion, folder.classes, folder.reliability, folder.worst, folder.unsure, folder.suspects}
