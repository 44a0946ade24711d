"""The page at the end of a command, which nothing about the page may make fail."""

import re
import subprocess
import sys

import pytest

from lightning_flowers.report import write
from lightning_flowers.report.at_exit import leave_report


def test_it_tells_where_the_page_is(make_run, predict):
    run = make_run(predictions=predict())
    assert leave_report(run) == str(run / "report.html")
    assert (run / "report.html").is_file()


def test_without_a_run_it_tells_why_there_is_no_page(tmp_path):
    assert leave_report(tmp_path / "none") == f"not made: {tmp_path / 'none'}: no such folder"


def test_a_class_name_that_no_file_can_hold_costs_the_page_only(make_run, predict):
    run = make_run(predictions=predict(), data={"class_names": ["a", "b", "c", "\ud800"]})
    said = leave_report(run)
    assert re.match(r"not made: \w+Error: ", said)
    assert said.isprintable()
    assert not (run / "report.html").exists()


def test_whatever_goes_wrong_is_one_line(make_run, monkeypatch):
    def fail(*args):
        raise RuntimeError("of a library:\n  in two lines")

    monkeypatch.setattr(write, "draw_curves", fail)
    assert leave_report(make_run()) == "not made: RuntimeError: of a library: in two lines"


@pytest.mark.parametrize(
    ("room", "without"),
    [("cli", "jinja2 lightning_flowers.report.write"), ("ensemble.cli", "torch matplotlib jinja2 scipy")],
)
def test_commands_that_leave_no_page_do_without_what_draws_it(room, without):
    code = f"import sys, lightning_flowers.{room}; sys.exit(' '.join(set('{without}'.split()) & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (1, "\n")
