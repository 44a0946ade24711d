"""HTML pages that need nothing but themselves: of a run, and in its looks of others."""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

SUSPECTS = 12  # as many are shown


def to_html(contents: Mapping[str, Any], charts: Mapping[str, bytes], pictures: Mapping[str, bytes]) -> str:
    """The page of a run.

    Args:
        contents: as `contents.tell` gives them.
        charts: PNGs by name: curves, confusion, reliability, and each with `-narrow` for a phone; without those that
            cannot be drawn.
        pictures: JPEGs of records by id; empty without any.
    """
    script = _read("sort.js")
    sorts = {"script": Markup(script), "script_hash": Markup(_hash(script))}
    findings = contents["findings"]
    shown = {"charts": charts, "pictures": pictures, "suspects": findings.suspects[:SUSPECTS] if findings else ()}
    return render("lightning_flowers.report", "report.html", {**contents, **sorts, **shown})


def render(package: str, template: str, contents: Mapping[str, Any]) -> str:
    """A page of a package's template, given a run's style."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(percent=_percent, data_uri=_data_uri, code=_code)
    return environment.get_template(template).render(**contents, style=Markup(_read("style.css")))


def _percent(probability: float) -> str:
    """A probability for people."""
    return f"{probability:.1%}" if probability >= 0.001 or probability == 0 else "under 0.1%"


def _code(text: str) -> Markup:
    """What stands between backticks as code."""
    parts = [
        Markup("<code>{}</code>" if number % 2 else "{}").format(part) for number, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def _read(name: str) -> str:
    return resources.files("lightning_flowers.report").joinpath("templates", name).read_text("utf-8")


def _hash(script: str) -> str:
    """What a Content-Security-Policy has to name, so that this script may run and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _data_uri(picture: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
