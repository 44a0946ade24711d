"""The page in a real browser: opened from disk, wide and narrow, light and dark."""

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest

from lightning_flowers.__main__ import main

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome is installed"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
]
# A browser that asks no one anything of its own accord.
ALONE = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
ALONE += ("disable-component-update", "disable-sync")
# The elements whose own text is too close in lightness to what lies behind it (WCAG: 4.5 for small text, 3 for large).
PALE = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const lightness = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "white";
  };
  const pale = [];
  for (const element of document.body.querySelectorAll("*:not(script)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own || !element.getClientRects().length) continue;
    const [a, b] = [getComputedStyle(element).color, paper(element)].map(lightness).sort((x, y) => y - x);
    const large = parseFloat(getComputedStyle(element).fontSize) >= 24;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) pale.push(`${element.tagName} ${element.textContent.trim()} ${contrast}`);
  }
  return pale;
}"""
# Pairs of elements beside each other, or one after the other, that lie over each other.
OVERLAPS = """
() => {
  const found = [];
  const parents = "body, main, header, section, ul, dl, dl > div, figure, figcaption, .gallery, tr";
  for (const parent of document.querySelectorAll(parents)) {
    const boxes = [...parent.children].map((child) => [child, child.getBoundingClientRect()]);
    boxes.forEach(([a, one], number) => {
      for (const [b, other] of boxes.slice(number + 1)) {
        const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
        const inline = [a, b].some((element) => getComputedStyle(element).display === "inline");
        if (width > 1 && height > 1 && !inline) found.push([a, b].map((element) => element.outerHTML.slice(0, 80)));
      }
    });
  }
  return found;
}"""
# Elements that stick out of the window though no box of theirs scrolls, and texts that are cut off by their box.
STICK_OUT = """
() => [...document.body.querySelectorAll("*:not(.scroll *)")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1)
  .map((one) => one.outerHTML.slice(0, 80))"""

# Boxes whose content is wider or higher than they are.
SCROLLS = """
() => [...document.querySelectorAll(".scroll, pre, table")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
  .map((one) => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def run(fit, tmp_path_factory):
    """A run as fit leaves it, with its report."""
    path = fit(tmp_path_factory.mktemp("runs"))
    assert main(["report", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def many(write_run, predict, tmp_path_factory):
    """A run of 104 classes with long names, whose data are not there."""
    names = [f"class {label} of a flower with a name that is long" for label in range(104)]
    path = tmp_path_factory.mktemp("runs") / ("a-long-name-" * 8)
    write_run(path, predict(300, 104), status="running", data={"class_names": names, "root": "/nowhere/" + "x" * 90})
    assert main(["report", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{name}" for name in ALONE])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser) -> Iterator[Callable]:
    """Open a run's page; `said` and `asked` gather what its console says and which addresses it asks for."""
    contexts = []

    def open_page(path, width=1280, scheme="light", **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options))
        page = contexts[-1].new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((path / "report.html").as_uri(), wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("which", ["run", "many"])
def test_it_looks_as_it_should(request, visit, which, width, scheme):
    page = visit(request.getfixturevalue(which), width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert page.said == []
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICK_OUT) == []
    assert page.evaluate("[...document.images].filter((one) => !one.complete || !one.naturalWidth).length") == 0
    assert page.evaluate(PALE) == []
    assert page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("which", ["run", "many"])
def test_on_a_phone_nothing_scrolls_inside_and_figures_and_tables_are_made_for_it(request, visit, which):
    page = visit(request.getfixturevalue(which), 390)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert page.evaluate(SCROLLS) == []
    shown = "[...document.querySelectorAll('%s')].filter((one) => one.getClientRects().length)"
    widths = "[...document.querySelectorAll('picture img')].map((one) => one.naturalWidth)"
    assert all(width < 700 for width in page.evaluate(widths))
    headings = page.evaluate(shown % "#classes-table th button" + ".map((one) => one.textContent)")
    assert headings == ["class", "F1", "support", "predicted"]
    assert all(width > 900 for width in visit(request.getfixturevalue(which)).evaluate(widths))


def test_the_two_schemes_are_two(run, visit):
    papers = [
        visit(run, scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert papers == ["rgb(255, 255, 255)", "rgb(15, 19, 24)"]


def test_figures_are_dark_on_a_dark_page(run, visit):
    filters = "[...document.querySelectorAll('picture img')].map((one) => getComputedStyle(one).filter)"
    assert set(visit(run).evaluate(filters)) == {"none"}
    assert set(visit(run, scheme="dark").evaluate(filters)) == {"invert(1) hue-rotate(180deg)"}


def test_pictures_are_there(run, visit):
    page = visit(run)
    assert page.locator("#worst-records img").count() == 12
    assert page.locator("#unsure-records img").count() == 12


def test_a_click_sorts_and_a_second_one_turns_it_round(run, visit):
    page = visit(run)
    column = "[...document.querySelectorAll('#classes-table tbody tr')].map((row) => row.cells[%d].textContent)"
    before = page.evaluate(column % 0)
    page.locator("#classes-table th button", has_text="label").click()
    assert page.evaluate(column % 1) == ["0", "1", "2", "3"]
    page.locator("#classes-table th button", has_text="label").click()
    assert page.evaluate(column % 1) == ["3", "2", "1", "0"]
    assert page.locator("#classes-table th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("#classes-table th button", has_text="class").click()
    assert page.evaluate(column % 0) == sorted(before)
    precision = [float(value) for value in _sorted_by(page, "precision", column % 2)]
    assert precision == sorted(precision)


def _sorted_by(page, heading, column):
    page.locator("#classes-table th button", has_text=heading).click()
    return page.evaluate(column)


def test_the_keyboard_reaches_links_boxes_and_headings(run, visit):
    page = visit(run)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('nav, .scroll, th, summary')?.tagName ?? ''"))
    assert {"NAV", "DIV", "TH", "SUMMARY", "PRE"} <= reached
    page.locator("#classes-table th button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("#classes-table th[aria-sort=ascending]").count() == 1


def test_without_javascript_nothing_is_lost(run, visit):
    page = visit(run, java_script_enabled=False)
    assert page.locator("#classes-table tbody tr").count() == 4
    assert page.locator("#classes-table th").first.inner_text() == "class"
    assert page.locator("th button").count() == 0


def test_a_script_of_another_hand_does_not_run(run, tmp_path, visit):
    html = (run / "report.html").read_text("utf-8").replace("</main>", "</main><script>document.title = 'x'</script>")
    (tmp_path / "report.html").write_text(html, "utf-8")
    page = visit(tmp_path)
    assert page.title() == "tiny: report of a run"
    assert any("Content Security Policy" in text for text in page.said)


def test_the_page_is_small(run, many):
    assert all((path / "report.html").stat().st_size < 3_000_000 for path in (run, many))
