"""The report as one HTML page that needs nothing but itself, and as Markdown, which shows the files beside it."""

import base64
import hashlib
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

SUSPECTS = 12  # as many are shown
_TEMPLATES = "templates"
# An underscore inside a word is one, as in a command or a path.
_SPECIAL = re.compile(r"([\\`*\[\]<>&|]|(?<![^\W_])_|_(?![^\W_]))")


def to_html(contents: Mapping[str, Any], charts: Mapping[str, Markup], pictures: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        contents: as `contents.tell` gives them.
        charts: SVGs by name: curves, confusion, reliability, and each with `-narrow` for a phone; without those that
            cannot be drawn.
        pictures: JPEGs of records by id; empty without any.
    """
    script = _read("sort.js")
    looks = {"style": Markup(_read("style.css")), "script": Markup(script), "script_hash": Markup(_hash(script))}
    return _render("report.html", contents, charts=charts, pictures=pictures, **looks)


def to_markdown(contents: Mapping[str, Any], files: Collection[str]) -> str:
    """The same as Markdown.

    Args:
        files: names of the pictures that lie beside it.
    """
    return _render("report.md", contents, files=files)


def _render(template: str, contents: Mapping[str, Any], **more: object) -> str:
    findings = contents["findings"]
    suspects = findings.suspects[:SUSPECTS] if findings else ()
    return _environment().get_template(template).render(**contents, **more, suspects=suspects)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lightning_flowers.report", _TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(exact=_exact, percent=percent, data_uri=_data_uri, code=_code)
    environment.filters.update(plain=_plain, with_code=_with_code, block=_block)
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


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: names and settings are not Markdown, nor HTML."""
    return _SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", text))


def _with_code(text: str) -> str:
    """Text with code between backticks, as it is in Markdown."""
    return "`".join(part if number % 2 else _plain(part) for number, part in enumerate(text.split("`")))


def _block(text: str) -> str:
    """A block of code in Markdown, which no line of backticks in it can end."""
    return "\n".join(f"    {line}" for line in text.rstrip("\n").splitlines())
