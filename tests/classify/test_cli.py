"""`classify` as a user runs it."""

import csv
import io
import json
import os
import sys
from types import SimpleNamespace

import pytest

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.classify.cli import FAILED, printable


@pytest.fixture
def classify(colours, capsys):
    """Gives exit status, stdout and stderr."""

    def run(*args):
        status = main(["classify", "runs/x", *map(str, args)])
        return status, *capsys.readouterr()

    return run


def test_a_folder_is_a_table_of_all_pictures_below_it(classify, pictures):
    status, out, err = classify(pictures)
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["picture", "flower", "or", "else"]
    assert [row[:2] for row in rows[1:]] == [
        [str(pictures / name), colour]
        for name, colour in (("a.jpg", "red"), ("deep/b.PNG", "green"), ("deep/deeper/c.webp", "blue"))
    ]
    assert rows[1][2:] == ["98.5", "%", "green", "0.8", "%,", "blue", "0.8", "%"] or rows[1][3] == "%"


def test_no_answer_is_no_heading(classify, pictures):
    (pictures / "bad.jpg").write_text("a text")
    status, out, err = classify(pictures / "bad.jpg")
    assert (status, out) == (FAILED, "")
    assert err.endswith("is no picture of a known format\n")


def test_json_has_an_object_for_each_picture(classify, pictures):
    (pictures / "bad.jpg").write_text("a text")
    status, out, err = classify(pictures, "--json", "--top=2")
    found = json.loads(out)
    assert status == FAILED
    assert [one["picture"] for one in found] == [
        str(pictures / name) for name in ("a.jpg", "bad.jpg", "deep/b.PNG", "deep/deeper/c.webp")
    ]
    assert found[1]["error"] == "is no picture of a known format"
    assert [len(one["guesses"]) for one in found if "guesses" in one] == [2, 2, 2]
    best = found[2]["guesses"][0]
    assert (best["label"], best["name"]) == (1, "green")
    assert 0.9 < best["probability"] < 1
    assert err.splitlines() == [
        f"lightning_flowers: {pictures / 'bad.jpg'}: is no picture of a known format",
        "lightning_flowers: 1 of 4 pictures could not be classified",
    ]


def test_csv_has_a_row_for_each_picture_with_an_answer(classify, pictures):
    status, out, _ = classify("--csv", pictures / "none.jpg", pictures)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, [row["name"] for row in rows], [row["label"] for row in rows]) == (
        FAILED,
        ["red", "green", "blue"],
        ["0", "1", "2"],
    )
    assert list(rows[0])[4:] == ["name_2", "probability_2", "name_3", "probability_3"]  # there are but three
    assert None not in rows[0]


def test_more_pictures_than_the_model_sees_at_once_keep_their_order(classify, pictures, monkeypatch):
    monkeypatch.setattr("lightning_flowers.classify.cli._BATCH", 2)
    names = ["a.jpg", "deep/b.PNG", "none.jpg", "none.jpg", "deep/deeper/c.webp"]
    _, out, _ = classify("--json", *(pictures / name for name in names))
    given = [one.get("guesses", [{"name": one.get("error")}])[0]["name"] for one in json.loads(out)]
    missing = "cannot be read: No such file or directory"
    assert given == ["red", "green", missing, missing, "blue"]


def test_standard_input_and_urls_are_pictures_too(classify, pictures, serve, monkeypatch):
    content = (pictures / "a.jpg").read_bytes()

    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content)

    address = serve(answer)
    stdin = SimpleNamespace(buffer=io.BytesIO((pictures / "deep/b.PNG").read_bytes()), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stdin)
    status, out, err = classify("--csv", "--top=1", "-", f"HTTP://user:secret@{address}/a.jpg?token=hidden")
    assert (status, err) == (0, "")
    rows = [row.split(",")[:3] for row in out.splitlines()[1:]]
    assert rows == [["standard input", "1", "green"], [f"HTTP://{address}/a.jpg", "0", "red"]]


def test_a_folder_without_pictures_and_a_keyboard_are_told(classify, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    status, _, err = classify(tmp_path, "-")
    assert status == FAILED
    assert "holds no picture" in err
    assert "is the keyboard" in err


def test_settings_reach_the_run(classify, colours, pictures):
    classify("--tta=flips", "--decision=adjusted", "--accelerator=cpu", pictures)
    assert colours == {"run": "runs/x", "tta": "flips", "decision": "adjusted", "accelerator": "cpu"}


@pytest.mark.parametrize("args", [(), ("a.jpg", "--top=0"), ("a.jpg", "--json", "--csv"), ("a.jpg", "--decision=x")])
def test_mistakes_are_told_in_a_line(classify, args):
    status, out, err = classify(*args)
    assert (status, out, len(err.splitlines())) == (MISUSED, "", 1)


def test_a_run_answers_on_the_command_line(tiny_run, pictures, capsys):
    args = ["classify", tiny_run, pictures, "--json", "--accelerator=cpu"]
    assert main([str(arg) for arg in args]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(one["guesses"]) for one in found] == [4, 4, 4]


def test_names_cannot_steer_the_terminal():
    assert printable("ros\u00e9 \x1b[2J\n") == "ros\u00e9 \\x1b[2J\\n"
    assert printable(os.fsdecode(b"a\xff.jpg")) == "a\\udcff.jpg"
