"""The report as one HTML page that needs nothing but itself."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lightning_flowers.report.contents import Report

SUSPECTS = 12  # as many are shown
_TEMPLATES = "templates"


class Jpegs(NamedTuple):
    """JPEGs of the records that the page shows, in their order: None for one that cannot be read, empty without any."""

    worst: Sequence[bytes | None] = ()
    unsure: Sequence[bytes | None] = ()
    suspects: Sequence[bytes | None] = ()


def to_html(report: Report, charts: Mapping[str, Markup], pictures: Jpegs) -> str:
    """The page.

    Args:
        charts: SVGs by name: curves, confusion, reliability; without those that cannot be drawn.
    """
    script = _read("sort.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            findings=report.findings,
            suspects=report.findings.suspects[:SUSPECTS] if report.findings else (),
            charts={name: charts.get(name) for name in ("curves", "confusion", "reliability")},
            pictures=pictures,
            sections=_sections(report, charts),
            style=Markup(_read("style.css")),
            script=Markup(script),
            script_hash=Markup(_hash(script)),
        )
    )


def _sections(report: Report, charts: Mapping[str, Markup]) -> list[tuple[str, str]]:
    sections = [("scores", "Scores")]
    if report.missing:
        sections.append(("missing", "What is missing"))
    if "curves" in charts:
        sections.append(("curves", "Curves"))
    if report.findings:
        sections += [("confusions", "Confusions"), ("classes", "Classes"), ("worst", "Worst errors")]
        sections += [("unsure", "Least sure"), ("suspects", "Labels"), ("calibration", "Calibration")]
    return [*sections, ("run", "The run")]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lightning_flowers.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(exact=_exact, percent=percent, data_uri=_data_uri, code=_code)
    return environment


def percent(probability: float) -> str:
    """A probability for people."""
    return f"{probability:.1%}" if probability >= 0.001 or probability == 0 else "under 0.1%"


def _exact(value: float | None) -> str:
    """A figure unrounded; nothing for none."""
    return "" if value is None else repr(value)


def _code(text: str) -> Markup:
    """What stands between backticks as code."""
    parts = [
        Markup("<code>{}</code>" if number % 2 else "{}").format(part) for number, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def _read(name: str) -> str:
    return resources.files("lightning_flowers.report").joinpath(_TEMPLATES, name).read_text("utf-8")


def _hash(script: str) -> str:
    """What a Content-Security-Policy has to name, so that this script may run and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
