"""Figures as SVG that stands inside an HTML page and takes the page's colour."""

import io
import re
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from lightning_flowers.report.style import INK

# Letters as outlines: with the reader's own fonts, labels would not end where the figure was laid out for them.
_SETTINGS: Any = {"svg.fonttype": "path", "svg.hashsalt": "report"}
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
    text = io.StringIO()
    with rc_context(_SETTINGS):
        figure.savefig(text, format="svg", metadata=_NO_METADATA, transparent=True)
    svg = _OUTSIDE.sub("", text.getvalue())
    svg = _HEIGHT.sub(r'\1aria-hidden="true" focusable="false"', svg, count=1)
    svg = _ID.sub(rf"\g<1>{name}-", svg)
    return Markup(svg.replace(INK, "currentColor"))
