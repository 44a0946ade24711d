"""Figures as SVG that stands inside an HTML page and takes the page's colour."""

import io
import re
import warnings
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from lightning_flowers.report.style import INK

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_OUTSIDE = re.compile(r"^.*?(?=<svg )|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_HEIGHT = re.compile(r'(<svg [^>]*?)height="[^"]*"')
_ID = re.compile(r'(\bid="|href="#|url\(#)')


def inline_svg(figure: Figure, name: str) -> Markup:
    """The figure as an `<svg>` with its own width, and the height that belongs to any width.

    What has the colour INK takes that of the page's text.

    Args:
        name: a word that goes before the ids in it, so that those of two figures differ.
    """
    svg = _OUTSIDE.sub("", _render(figure))
    svg = _HEIGHT.sub(r'\1aria-hidden="true" focusable="false"', svg, count=1)
    svg = _ID.sub(rf"\g<1>{name}-", svg)
    return Markup(svg.replace(INK, "currentColor"))


def _render(figure: Figure) -> str:
    """The figure as SVG, its letters as outlines: in the reader's fonts, labels would not end where they should.

    Where our font lacks a letter, as of Chinese, they are letters for all that: the reader's fonts may have it.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        svg = _save(figure, "path")
        lacking = any("missing from font" in str(one.message) for one in said)
        return _save(figure, "none") if lacking else svg


def _save(figure: Figure, letters: str) -> str:
    text = io.StringIO()
    settings: Any = {"svg.fonttype": letters, "svg.hashsalt": "report"}
    with rc_context(settings):
        figure.savefig(text, format="svg", metadata=_NO_METADATA, transparent=True)
    return text.getvalue()
