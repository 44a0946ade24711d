"""The page in a real browser: photographs chosen, dropped and pasted, wide and narrow, light and dark."""

import shutil
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
import uvicorn

import lightning_flowers
from lightning_flowers.serve import server
from lightning_flowers.serve.app import build
from lightning_flowers.serve.settings import Settings
from lightning_flowers.serve.val_pictures import ValPictures

from ..report.test_browser import ALONE, PALE, STICK_OUT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome is installed"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
]
KEY = "a-key-of-some-length"
# An event with a file, as a mouse or the clipboard would bring it.
BRING = """
([event, member, content]) => {
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(content)], "brought.png", { type: "image/png" }));
  const made = new Event(event, { bubbles: true, cancelable: true });
  Object.defineProperty(made, member, { value: files });
  document.body.dispatchEvent(made);
}"""


@contextmanager
def served(predictor, settings, val=None):
    """A server in a thread; gives its address."""
    with server.bind("127.0.0.1", 0) as listening:
        config = uvicorn.Config(build(predictor, settings, val), log_config=None, ws="none", lifespan="on")
        serving = uvicorn.Server(config)
        thread = threading.Thread(target=serving.run, args=([listening],))
        thread.start()
        while not serving.started and thread.is_alive():
            time.sleep(0.01)
        yield server.address("127.0.0.1", listening)
        serving.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return lightning_flowers.load(tiny_run, accelerator="cpu")


@pytest.fixture(scope="module")
def address(predictor, caches):
    with served(predictor, Settings(), ValPictures(predictor, 2, 4)) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{name}" for name in ALONE])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    contexts = []

    def open_page(url, width=1280, scheme="light"):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(url, wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


def choose(page, content, name="flower.png"):
    page.set_input_files("#files", {"name": name, "mimeType": "image/png", "buffer": content})
    return answered(page)


def answered(page):
    card = page.locator("#answers article[aria-busy=false]").first
    card.wait_for()
    return card


def near(card):
    """The four val pictures that are nearest, as rows of texts."""
    card.locator(".near li img").first.wait_for()
    assert card.locator(".near p").inner_text().startswith("The nearest of 11 validation pictures")
    found = [text.split("\n") for text in card.locator(".near li").all_inner_texts()]
    assert len(found) == 4
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_looks_as_it_should(visit, address, picture, width, scheme):
    page = visit(address, width, scheme)
    card = choose(page, picture(size=(90, 60)))
    assert page.said == []
    assert all(url.removeprefix("blob:").startswith(address) for url in page.asked)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICK_OUT) == []
    assert page.evaluate(PALE) == []
    assert card.locator(".guesses li").count() == 4
    bars = card.locator(".track span").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert bars == sorted(bars, reverse=True)
    assert "validation pictures, all of them flowers" in page.locator("#doubt").inner_text()
    reads = "(canvas) => [...canvas.getContext('2d').getImageData(320, 320, 1, 1).data]"
    assert card.locator(".photo").evaluate(reads) == [255, 0, 0, 255]
    assert card.locator(".heat").evaluate(reads)[3] > 0
    near(card)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICK_OUT) == page.evaluate(PALE) == []
    tops = card.locator(".near li").evaluate_all("all => all.map((one) => one.getBoundingClientRect().y)")
    assert len(set(tops)) == 1


def test_a_photograph_may_be_dropped_or_pasted(visit, address, picture):
    for event, member in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page = visit(address)
        page.evaluate(BRING, [event, member, list(picture())])
        assert answered(page).locator("figcaption").inner_text() == "brought.png"


def test_the_keyboard_reaches_the_picker_and_the_heat_map(visit, address, picture):
    page = visit(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    card = choose(page, picture())
    box = card.get_by_label("Show what the model looked at")
    box.focus()
    assert card.locator(".heated").count() == 1
    page.keyboard.press("Space")
    assert card.locator(".heated").count() == 0
    assert "flower" in page.locator("#said").inner_text()  # what a screen reader says


def test_the_nearest_pictures_can_be_tried_by_keyboard(visit, address):
    page = visit(address)
    page.get_by_alt_text("validation picture").first.locator("..").press("Enter")  # an example
    card = answered(page)
    (name, cosine), *_ = near(card)
    assert card.locator("figcaption").inner_text() == f"{name}.jpg"  # the nearest is the picture itself
    assert float(cosine) > 0.98
    card.locator(".near button").nth(1).focus()
    page.keyboard.press("Enter")
    page.locator("#answers article[aria-busy=false]").nth(1).wait_for()
    assert float(near(answered(page))[0][1]) > 0.98


def test_what_is_no_picture_is_told(visit, address):
    page = visit(address)
    card = choose(page, b"a text", "note.png")
    assert card.locator("h2").inner_text() == "No answer"
    assert card.locator(".verdict").inner_text() == "note.png: is no picture of a known format"


def test_a_server_with_a_key_asks_for_it(visit, predictor, picture):
    with served(predictor, Settings(key=KEY)) as address:
        page = visit(address)
        assert not page.locator("#drop").is_visible()
        for key, visible in (("x" * 20, False), (KEY, True)):
            page.get_by_label("This server asks for a key").fill(key)
            page.get_by_role("button", name="Use it").click()
            page.locator("#doubt:not(:empty)" if visible else "#key-said:has-text('not the key')").wait_for(
                state="attached"
            )
            assert page.locator("#drop").is_visible() == visible
        assert choose(page, picture()).locator(".guesses li").count() == 4
