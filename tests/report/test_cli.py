import errno
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from lightning_flowers.__main__ import MISUSED
from lightning_flowers.report import cli
from lightning_flowers.report.cli import FAILED

FILES = {"confusion.png", "classes.csv", "reliability.png", "suspects.csv", "curves.png", "report.html"}


def test_runs_get_their_pages_and_the_paths_are_printed(report, make_run, predict):
    a, b = make_run("a", predict()), make_run("b", predict(seed=1))
    assert report(a, b) == (0, f"{a / 'report.html'}\n{b / 'report.html'}\n", "")
    assert {path.name for path in a.iterdir()} == FILES | {"summary.json", "config.yaml", "metrics.csv", "predictions"}


def test_a_second_report_takes_the_place_of_the_first(report, make_run, predict):
    run = make_run(predictions=predict())
    assert report(run)[0] == report(run)[0] == 0
    first = (run / "report.html").read_text("utf-8")
    predict(seed=7).save(run / "predictions" / "val.npz")
    assert report(run)[0] == 0
    assert (run / "report.html").read_text("utf-8") != first


def test_nothing_is_left_of_the_report_of_other_predictions(report, make_run, predict, petals_root):
    run = make_run(predictions=predict(), data={"root": str(petals_root)})
    report(run)
    kept = {"curves.png", "report.html", "summary.json", "config.yaml", "metrics.csv", "notes.jpg"}
    (run / "notes.jpg").touch()
    assert {path.name for path in run.iterdir() if path.is_file()} == FILES | kept
    predict(seed=1).save(run / "predictions" / "val.npz")
    summary = (run / "summary.json").read_text("utf-8")
    (run / "summary.json").write_text(summary.replace(str(petals_root), "/not/here"), "utf-8")
    report(run)
    assert {path.name for path in run.iterdir() if path.is_file()} == FILES | kept
    (run / "predictions" / "val.npz").unlink()
    report(run)
    assert {path.name for path in run.iterdir() if path.is_file()} == kept


def test_a_bad_run_does_not_keep_the_others_from_theirs(report, make_run, predict, tmp_path):
    good = make_run("good", predict())
    status, out, err = report(tmp_path / "none", good)
    assert (status, out) == (FAILED, f"{good / 'report.html'}\n")
    assert err == f"lightning_flowers: {tmp_path / 'none'}: no such folder\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "report: give run folders, such as runs/*"),
        (["--json", "a"], "unrecognized arguments: --json (see report --help)"),
        (["--data_root"], "argument --data_root: expected one argument"),
    ],
)
def test_mistakes_in_the_arguments_are_one_line(report, args, said):
    status, out, err = report(*args)
    assert (status, out, len(err.splitlines())) == (MISUSED, "", 1)
    assert said in err


def break_file(run, name, content):
    (run / name).write_bytes(content)


def spoil(run, **arrays):
    path = run / "predictions" / "val.npz"
    with np.load(path) as kept:
        np.savez(path, **{**kept, **arrays})


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (shutil.rmtree, "no such folder"),
        (lambda run: (run / "summary.json").unlink(), "no summary.json in it"),
        (lambda run: break_file(run, "summary.json", b'{"status":'), "summary.json: damaged"),
        (lambda run: break_file(run, "metrics.csv", b"epoch,val_loss\none,2\n"), "metrics.csv: damaged"),
        (lambda run: break_file(run, "predictions/val.npz", b"PK\3\4 cut"), "val.npz: damaged"),
        (lambda run: break_file(run, "predictions/val.npz", b""), "val.npz: damaged"),
        (lambda run: spoil(run, probabilities=np.full((12, 4), np.nan)), "val.npz: damaged (record "),
        (lambda run: spoil(run, labels=np.full(12, 4)), "a label is missing, or no class"),
        (
            lambda run: spoil(run, ids=np.empty(0, str), probabilities=np.empty((0, 4)), labels=np.empty(0, np.int64)),
            "holds no record",
        ),
    ],
)
def test_a_run_that_cannot_be_read_is_one_line(report, make_run, predict, harm, said):
    run = make_run(predictions=predict())
    harm(run)
    status, out, err = report(run)
    assert (status, out, len(err.splitlines())) == (FAILED, "", 1)
    assert said in err
    assert not (run / "report.html").exists()


def test_predictions_without_labels_are_one_line(report, make_run, predict):
    assert "has no labels" in report(make_run(predictions=replace(predict(), labels=None)))[2]


def test_a_folder_that_cannot_be_written_is_one_line(report, make_run, predict):
    run = make_run(predictions=predict())
    (run / "report.html").mkdir()
    status, out, err = report(run)
    assert (status, out, len(err.splitlines())) == (FAILED, "", 1)
    assert f"report.html: Is a directory: no report of {run} was made" in err


def test_a_full_disk_is_one_line(report, make_run, predict, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOSPC, "No space left on device", "classes.csv")

    monkeypatch.setattr("lightning_flowers.report.write.write_text", refuse)
    run = make_run(predictions=predict())
    assert report(run)[2] == f"lightning_flowers: classes.csv: No space left on device: no report of {run} was made\n"


def test_an_interrupted_run_has_a_page_that_says_so(report, make_run, read_page):
    run = make_run(status="running")
    status, out, err = report(run)
    assert (status, out, err) == (0, f"{run / 'report.html'}\n", "")
    page = read_page(run)
    assert any(text == "running or killed, after 3 of 3 epochs" for _, text in page.all("li"))
    missing = page.by_id("missing")[2]
    assert f"python -m lightning_flowers fit --resume {run}" in missing
    wanted = f"no predictions/val.npz: make it with python -m lightning_flowers predict --run {run}, then report anew"
    assert wanted in missing
    assert page.by_id("macro-f1")[2] == "0.7500"  # of the history
    assert {path.name for path in run.glob("*.png")} == {"curves.png"}
    assert "calibration" not in json.loads((run / "summary.json").read_text())


def test_a_run_on_train_and_val_says_that_nothing_was_left_to_validate_on(report, make_run, predict, read_page):
    metrics = "epoch,train_loss,seconds,images_per_second\n1,2,3,4\n"
    run = make_run(predictions=predict(), metrics=metrics, data={"train_on": "train+val"}, best=None)
    assert report(run)[0] == 0
    page = read_page(run)
    assert ("not validated: trained on train+val") in [text for _, text in page.all("li")]
    assert "leaves nothing to validate on" in page.by_id("missing")[2]
    assert not any(attributes.get("id") == "macro-f1" for _, attributes, _ in page.elements)


def test_a_run_that_has_not_seen_an_epoch_has_a_page(report, make_run, read_page):
    run = make_run(metrics=None, status="running", data={"root": None, "size": None})
    (run / "config.yaml").unlink()
    assert report(run)[0] == 0
    page = read_page(run)
    assert "Curves: no epoch is in metrics.csv" in page.by_id("missing")[2]
    assert "config.yaml cannot be read." in [text for _, text in page.all("p")]


def test_an_old_summary_that_says_next_to_nothing_will_do(report, make_run, predict, read_page):
    run = make_run(predictions=predict())
    (run / "summary.json").write_text("{}")
    assert report(run)[0] == 0
    assert "clean or EXTERNAL: unknown" in [text for _, text in read_page(run).all("li")]


def test_the_help_does_not_wait_for_matplotlib(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_report", None)
    with pytest.raises(SystemExit) as end:
        cli.run(["--help"])
    assert end.value.code == 0
    assert "--data_root FOLDER" in capsys.readouterr().out


def test_the_report_does_without_torch():
    code = "import sys, lightning_flowers.report.write; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
