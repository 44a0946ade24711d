"""The report as Markdown, which shows the files beside it."""

import re
from collections.abc import Collection, Iterable, Sequence

from lightning_flowers.evaluation.calibration import Calibration
from lightning_flowers.markdown import markdown_table
from lightning_flowers.report.contents import Report
from lightning_flowers.report.facts import Fact
from lightning_flowers.report.findings import Findings, Record
from lightning_flowers.report.page import SUSPECTS, percent

# An underscore inside a word is one, as in a command or a path.
_SPECIAL = re.compile(r"([\\`*\[\]<>&]|(?<![^\W_])_|_(?![^\W_]))")
_RIGHT = (
    "records",
    "of the class",
    "label",
    "precision",
    "recall",
    "F1",
    "support",
    "predicted",
    "probability",
    "bad records",
)


def to_markdown(report: Report, files: Collection[str]) -> str:
    """The report.

    Args:
        files: names of the pictures that lie beside it.
    """
    parts = [f"# {_plain(report.title)}", _plain(report.subtitle)]
    parts.append("\n".join(f"- **{_plain(badge.text)}**" for badge in report.badges))
    parts += ["## Scores"]
    if report.scores:
        parts += [_facts(report.scores), _plain(report.scores_from)]
    parts.append(_facts(report.training))
    if report.missing:
        parts += ["## What is missing", "\n".join(f"- {_with_code(line)}" for line in report.missing)]
    if "curves.png" in files:
        parts += ["## Curves", _picture("curves.png", "Loss, scores and learning rate of each epoch")]
    if report.findings:
        parts += _findings(report.findings, files)
        parts += ["## Calibration", *_shown("reliability.png", "Accuracy against confidence", files)]
        parts += [_calibration(report.findings.calibration), _plain(report.calibration_note)]
    return "\n\n".join(filter(None, [*parts, *_run(report)])) + "\n"


def _findings(findings: Findings, files: Collection[str]) -> list[str]:
    parts = ["## Confusions", *_shown("confusion.png", "Confusion matrix", files)]
    parts.append(_confusions(findings) if findings.confusions else "No record was taken for another class.")
    parts += ["## Classes", _classes(findings)]
    parts += ["## Worst errors", *_shown("worst.jpg", "The records with the highest loss", files)]
    parts.append(_records(findings.worst, "taken for"))
    parts += ["## Least sure", *_shown("unsure.jpg", "The records with the closest two classes", files)]
    parts.append(_records(findings.unsure, "taken for"))
    return [*parts, "## Labels that may be wrong", *_suspects(findings)]


def _confusions(findings: Findings) -> str:
    rows = [
        (_plain(pair.name), _plain(pair.predicted_name), str(pair.records), str(pair.support))
        for pair in findings.confusions
    ]
    return markdown_table(("class", "taken for", "records", "of the class"), rows, _RIGHT)


def _classes(findings: Findings) -> str:
    rows = [
        (
            _plain(row.name),
            str(row.label),
            *(f"{value:.4f}" for value in (row.precision, row.recall, row.f1)),
            str(row.support),
            str(row.predicted),
        )
        for row in findings.hardest()
    ]
    return markdown_table(("class", "label", "precision", "recall", "F1", "support", "predicted"), rows, _RIGHT)


def _suspects(findings: Findings) -> list[str]:
    if not findings.suspects:
        return [f"No label of the {findings.records} val records is suspected by confident learning."]
    count = f"{len(findings.suspects)} of {findings.records}"
    return [
        f"Confident learning suspects the labels of {count} val records: all of them stand in suspects.csv.",
        _records(findings.suspects[:SUSPECTS], "perhaps"),
    ]


def _calibration(found: Calibration) -> str:
    rows = [
        ("temperature", "1", f"{found.temperature:.4f}", "of the other folds"),
        ("ECE", *(f"{value:.4f}" for value in (found.ece_before, found.ece_after, found.ece_cross_validated))),
        ("NLL", *(f"{value:.4f}" for value in (found.nll_before, found.nll_after, found.nll_cross_validated))),
    ]
    header = ("", "as it is", "with the temperature", "cross-validated")
    return markdown_table(header, rows, header[1:])


def _records(records: Iterable[Record], other: str) -> str:
    rows = [
        (_plain(one.id), _plain(one.name), percent(one.probability), _plain(one.other_name))
        + (percent(one.other_probability),)
        for one in records
    ]
    header = ("id", "label", "p of label", other, "probability")
    return markdown_table(header, rows, ("p of label", "probability"))


def _run(report: Report) -> list[str]:
    splits = [(_plain(split.split), split.records, split.fingerprint, split.bad) for split in report.splits]
    table = markdown_table(("split", "records", "fingerprint", "bad records"), splits, _RIGHT) if splits else ""
    bad = [f"- {split}: {_plain(line)}" for split, lines in report.bad_records.items() for line in lines]
    versions = ", ".join(f"{_plain(name)} {_plain(version)}" for name, version in report.versions.items())
    return [
        "## The run",
        "Repeat it with",
        _code(report.repeat),
        "### Settings",
        _code(report.settings) if report.settings is not None else "config.yaml cannot be read.",
        "### Hardware",
        _facts(report.hardware),
        "### Data",
        _plain(report.data),
        table,
        "\n".join(["Bad records, left out:", "", *bad]) if bad else "",
        "### Versions",
        versions or "Unknown.",
    ]


def _facts(some: Sequence[Fact]) -> str:
    return markdown_table(("what", "value"), [(_plain(fact.label), _plain(fact.text)) for fact in some], ("value",))


def _shown(name: str, alt: str, files: Collection[str]) -> list[str]:
    return [_picture(name, alt)] if name in files else []


def _picture(name: str, alt: str) -> str:
    return f"![{alt}]({name})"


def _code(text: str) -> str:
    """A block of code, which no line of backticks in it can end."""
    return "\n".join(f"    {line}" for line in text.rstrip("\n").splitlines())


def _with_code(text: str) -> str:
    """Text with code between backticks, as it is in Markdown."""
    return "`".join(part if number % 2 else _plain(part) for number, part in enumerate(text.split("`")))


def _plain(text: str) -> str:
    """Text that is shown as it is: names and settings are not Markdown, nor HTML."""
    return _SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", text))
