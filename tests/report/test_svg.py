import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from lightning_flowers.report.style import INK
from lightning_flowers.report.svg import inline_svg


@pytest.fixture
def figure():
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], marker="o", color=INK)
    axes.imshow(np.eye(3))
    axes.set_title("<script> --> & $", parse_math=False, color=INK)
    return figure


def test_it_is_one_element_of_its_own_width_without_a_sheet(figure):
    root = ElementTree.fromstring(inline_svg(figure, "one"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "height" not in root.attrib
    assert float(root.attrib["width"].removesuffix("pt")) == 72 * figure.get_figwidth()
    assert root.attrib["viewBox"].startswith("0 0 ")
    assert not [element for element in root.iter() if element.tag.endswith(("style", "metadata"))]


def test_its_ink_is_the_pages(figure):
    svg = inline_svg(figure, "one")
    assert INK not in svg
    assert "stroke: currentColor" in svg
    assert "fill: currentColor" in svg


def test_ids_of_two_figures_differ_and_each_finds_its_own(figure):
    one, two = inline_svg(figure, "one"), inline_svg(figure, "two")
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0].isdisjoint(ids[1])
    for svg, own in zip((one, two), ids, strict=True):
        used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
        assert len(used) > 3
        assert {a or b for a, b in used} <= own


def test_texts_are_outlines_and_leave_no_words(figure):
    svg = inline_svg(figure, "one")
    assert "script" not in svg
    assert "<text" not in svg


def test_letters_that_the_font_lacks_are_left_to_the_readers_fonts(figure):
    figure.axes[0].set_xlabel("日本 <b>", parse_math=False)
    assert ">日本 &lt;b&gt;</text>" in inline_svg(figure, "one")
