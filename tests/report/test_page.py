"""What an HTML page of a report is and is not: whatever names and settings hold."""

import base64
import hashlib
import re
from itertools import pairwise

import pytest

from lightning_flowers.report.write import write_report

NASTY = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "$x_1$ & <!-- --> {{ 7*7 }}", "日本 \\| *rose*"]


@pytest.fixture
def nasty(make_run, predict):
    run = make_run(
        "a<b>&'c",
        predict(40, 4),
        backbone="<b>net",
        timm_name=None,
        status="<i>killed",
        data={"class_names": NASTY, "root": "/no/<u>root", "bad_records": {"val": ["<s>cut</s>: record 1"]}},
        versions={"<em>": "</style>"},
    )
    (run / "config.yaml").write_text("a: </code></pre><script>alert(3)</script>\nb: x {{ config }}\n")
    write_report(run)
    return run


def test_names_and_settings_are_text_wherever_they_stand(nasty, read_page):
    html, page = (nasty / "report.html").read_text("utf-8"), read_page(nasty)
    assert [tag for tag, *_ in page.elements if tag in ("script", "b<net", "i", "u", "s", "em")] == ["script"]
    assert all(attributes["src"].startswith("data:") for attributes, _ in page.all("img"))
    assert "49" not in page.by_id("settings")[2]
    assert "onerror=alert(2)>" not in html
    assert page.by_id("settings")[2] == "a: </code></pre><script>alert(3)</script> b: x {{ config }}"
    assert page.all("h1") == [({}, "a<b>&'c")]
    shown = {text for attributes, text in page.all("th") if attributes.get("scope") == "row"}
    assert {*NASTY} <= shown


def test_the_page_can_reach_nothing_but_itself(nasty, read_page):
    page = read_page(nasty)
    (policy,) = (a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    ((_, script),) = page.all("script")
    html = (nasty / "report.html").read_text("utf-8")
    ((_, script),) = re.findall(r"<script()>(.*?)</script>", html, re.DOTALL)
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    for _, attributes, _ in page.elements:
        for name in ("src", "srcset", "href"):
            assert attributes.get(name, "#")[:1] == "#" or attributes[name].startswith("data:")
    assert not re.search(r"url\((?!#)|@import|https?://", html)


def test_the_page_is_for_all_readers(nasty, read_page):
    page = read_page(nasty)
    assert page.all("html")[0][0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, *_ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes["alt"] for attributes, _ in page.all("img"))
    assert all(attributes["scope"] in ("col", "row") for attributes, _ in page.all("th"))
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a, _ in page.all("a")]
    assert targets
    named = [a["aria-labelledby"] for _, a, _ in page.elements if "aria-labelledby" in a]
    assert {*targets, *named} <= {*ids}
    for _, attributes, _ in page.elements:
        if "scroll" in attributes.get("class", "").split() and "tabindex" not in attributes:
            raise AssertionError(f"not reachable by keyboard: {attributes}")
        if attributes.get("role") in ("img", "region"):
            assert attributes.get("aria-label") or attributes.get("aria-labelledby")


def test_external_data_and_bad_records_are_told(make_run, predict, read_page):
    bad = [f"shard: record {number} at byte 7: cut" for number in range(3)]
    run = make_run(predictions=predict(), data={"external": True, "bad_records": {"train": bad, "val": []}})
    write_report(run)
    page = read_page(run)
    assert ({"class": "warning"}, "EXTERNAL data: trained on other data sets too") in page.all("li")
    assert ({}, "Bad records of train: 3") in page.all("summary")
    assert [text for _, text in page.all("li") if text in bad] == bad


def test_passwords_in_urls_stay_out_of_the_page(make_run, predict):
    run = make_run(predictions=predict(), data={"root": "s3://me:secret@host/petals"})
    (run / "config.yaml").write_text("data:\n  root: s3://me:secret@host/petals\n")
    write_report(run)
    text = (run / "report.html").read_text("utf-8")
    assert "secret" not in text
    assert "s3://...@host/petals" in text


def test_tokens_of_bad_records_stay_out_of_the_page(make_run, predict):
    run = make_run(
        predictions=predict(), data={"bad_records": {"train": ["https://host/a?token=secret: record 1: cut"]}}
    )
    write_report(run)
    text = (run / "report.html").read_text("utf-8")
    assert "secret" not in text
    assert "https://host/a?...: record 1: cut" in text


def test_a_blend_shows_what_it_is_worth_on_other_records(make_run, predict, read_page):
    blend = {"macro_f1_cross_validated": 0.61, "macro_f1_of_best_run_cross_validated": 0.65, "warning": "worse <b>"}
    run = make_run(
        predictions=predict(), metrics=None, ensemble=blend, command="python -m lightning_flowers ensemble a b"
    )
    write_report(run)
    page = read_page(run)
    assert page.by_id("macro-f1-cross-validated")[2] == "0.6100"
    assert page.by_id("best-run-cross-validated")[2] == "0.6500"
    assert ({"class": "warning"}, "worse <b>") in page.all("li")
    assert page.by_id("repeat")[2] == "python -m lightning_flowers ensemble a b"
    notes = [note for _, note in page.all("p")]
    for said in ("were fitted on these val records", "temperature alone, not the weights"):
        assert any(said in note for note in notes)


def test_settings_that_cannot_be_read_are_told_without_a_click(make_run, read_page):
    run = make_run()
    write_report(run)
    assert [attributes for attributes, _ in read_page(run).all("details")] == [{}]
    (run / "config.yaml").unlink()
    write_report(run)
    assert [attributes for attributes, _ in read_page(run).all("details")] == [{"open": ""}]
