import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
import yaml

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.compare.rows import rows_of
from lightning_flowers.report.facts import subtitle
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import read_run

from .conftest import biased


def load(path, split="val"):
    return Predictions.load(RunFolder(path).predictions(split))


def rows(out):
    lines = [line for line in out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def submitted(path):
    with (path / "submission.csv").open(newline="") as lines:
        return {row["id"]: int(row["label"]) for row in csv.DictReader(lines)}


@pytest.fixture
def trio(make_run):
    return [make_run(name, seed, 1.3) for seed, name in enumerate("abc")]


def test_runs_are_blended_into_a_run_of_their_own(ensemble, trio, tmp_path):
    status, out, err = ensemble(*trio, "--weights=2,1,1", page=True)
    assert (status, err) == (0, "")
    folder = tmp_path / "runs" / "ensemble"
    assert f"report     {Path('runs/ensemble/report.html')}" in out
    for split in ("val", "test"):
        parts = np.stack([load(path, split).probabilities for path in trio]).astype(np.float64)
        blended = load(folder, split)
        assert blended.probabilities.dtype == np.float32
        assert blended.probabilities == pytest.approx(np.average(parts, 0, [2, 1, 1]), abs=1e-6)
        assert blended.ids.tolist() == load(trio[0], split).ids.tolist()
    test = load(folder, "test")
    assert submitted(folder) == dict(zip(test.ids.tolist(), test.probabilities.argmax(1).tolist(), strict=True))
    assert "unchecked  the submission's ids" in out
    assert "send it" not in out  # other classes than the competition's


def test_its_summary_reads_as_a_runs(ensemble, trio, tmp_path):
    ensemble(*trio, "--method=geometric", "--weights=search")
    run = read_run(tmp_path / "runs" / "ensemble")
    val = load(run.path)
    assert (run.finished, run.backbone, run.data.classes, run.data.external) == (True, "ensemble", 4, False)
    assert run.data.class_names == tuple(f"flower {label}" for label in range(4))
    assert run.best is not None
    wanted = sklearn.metrics.f1_score(val.labels, val.probabilities.argmax(1), average="macro")
    assert run.best.val_macro_f1 == pytest.approx(wanted)
    summary = json.loads((run.path / "summary.json").read_text())
    assert [one["path"] for one in summary["members"]] == [str(path.resolve()) for path in trio]
    assert sum(one["weight"] for one in summary["members"]) == pytest.approx(1)
    facts = summary["ensemble"]
    taken = next(row for row in rows(ensemble(*trio, "--method=geometric", "--weights=search")[1]) if row["taken"])
    assert (taken["blend"], taken["method"]) == ("searched weights", "geometric")
    assert f"{facts['macro_f1_cross_validated']:.4f}" == taken["cross-validated"]
    assert f"{facts['macro_f1_in_sample']:.4f}" == taken["macro F1"]


def test_its_settings_tell_the_command_that_repeats_it(ensemble, trio, tmp_path):
    ensemble(*trio, "--weights=0,2,1", "--method=ranks", "--decision=adjusted")
    first = tmp_path / "runs" / "ensemble"
    text = (first / "config.yaml").read_text()
    command = shlex.split(read_run(first).command or "")
    assert yaml.safe_load(text)["ensemble"]["weights"] == [0, 2, 1]
    assert ensemble(*command[command.index("ensemble") + 1 :])[0] == 0
    second = tmp_path / "runs" / "ensemble-2"
    assert (second / "config.yaml").read_text() == text
    assert np.array_equal(load(first, "test").probabilities, load(second, "test").probabilities)
    assert submitted(first) == submitted(second)


def test_the_order_of_runs_changes_nothing_and_weights_follow_their_runs(ensemble, trio, tmp_path):
    a, b, c = trio
    for name, args in {
        "x": (a, b, c, "--weights=3,2,1"),
        "y": (c, a, b, "--weights=1,3,2"),
        "s": (a, b, c),
        "t": (b, c, a),
    }.items():
        ensemble(*args, f"--name={name}")
    for one, other in ("xy", "st"):
        found = [load(tmp_path / "runs" / name).probabilities for name in (one, other)]
        assert np.array_equal(found[0], found[1])


def test_adjusted_decisions_make_the_submission_and_are_told(ensemble, make_run, tmp_path):
    runs = [make_run(name, seed, 0.4) for seed, name in enumerate("ab")]
    out = ensemble(*runs, "--decision=adjusted")[1]
    folder = tmp_path / "runs" / "ensemble"
    facts = json.loads((folder / "summary.json").read_text())["ensemble"]["adjustment"]
    test = load(folder, "test")
    logits = np.log(test.probabilities.astype(np.float64)) - facts["tau"] * np.array(facts["log_prior"])
    assert list(submitted(folder).values()) == logits.argmax(1).tolist()
    assert f"decision   adjusted with tau {facts['tau']:.1f}: val macro F1 {facts['cross_validated']:.4f}" in out


def test_scores_in_the_summary_tell_those_held_out_from_those_in_sample(ensemble, make_run, tmp_path):
    runs = [make_run(name, seed, 0.7) for seed, name in enumerate("abcd")]
    ensemble(*runs)
    run = read_run(tmp_path / "runs" / "ensemble")
    val = load(run.path)
    wanted = sklearn.metrics.f1_score(val.labels, val.probabilities.argmax(1), average="macro")
    assert run.best is not None
    assert run.ensemble is not None
    assert run.best.val_macro_f1 == pytest.approx(run.ensemble.macro_f1_in_sample) == pytest.approx(wanted)
    assert run.ensemble.macro_f1_cross_validated is not None
    assert run.ensemble.macro_f1_cross_validated < wanted
    best = next(row for row in rows(ensemble(*runs)[1]) if row["blend"] == "best run")
    assert f"{run.ensemble.macro_f1_of_best_run_cross_validated:.4f}" == best["cross-validated"]
    assert run.ensemble.warning is None


def test_an_adjustment_worse_than_argmax_on_other_folds_says_so(ensemble, make_run, tmp_path):
    runs = [make_run(name, val=biased(seed)) for seed, name in enumerate("abcd", start=4)]
    out = ensemble(*runs, "--decision=adjusted", "--weights=search")[1]
    facts = json.loads((tmp_path / "runs" / "ensemble" / "summary.json").read_text())["ensemble"]
    figures = facts["adjustment"]
    assert figures["cross_validated"] == facts["macro_f1_cross_validated"] < figures["plain"]
    held_out = f"val macro F1 {figures['cross_validated']:.4f} cross-validated ({figures['in_sample']:.4f} in-sample)"
    assert f"{held_out}, {figures['plain']:.4f} by argmax, cross-validated too: worse than argmax\n" in out


def test_a_blend_worse_than_a_run_is_warned_of_and_still_written(ensemble, make_run, tmp_path):
    strong, weak = make_run("a", 0, 3.0), make_run("b", 1, 0.1)
    status, _, err = ensemble(strong, weak, "--weights=0,1")
    assert status == 0
    assert err.startswith("warning: the blend does worse than the best run by itself: val macro F1 ")
    assert len(err.splitlines()) == 1
    assert json.loads((tmp_path / "runs" / "ensemble" / "summary.json").read_text())["ensemble"]["warning"] in err


def test_without_test_predictions_there_is_no_submission_and_it_is_said(ensemble, make_run, tmp_path):
    out = ensemble(make_run("a", test=False), make_run("b", 1, test=False))[1]
    folder = tmp_path / "runs" / "ensemble"
    assert "submission none: no run of these predicts test" in out
    assert not (folder / "submission.csv").exists()
    assert not RunFolder(folder).predictions("test").exists()
    assert RunFolder(folder).predictions("val").is_file()


def test_external_data_are_told_of(ensemble, make_run, tmp_path):
    out = ensemble(make_run("a"), make_run("b", 1, data={"external": True}))[1]
    assert "submission.csv (trained on external data)" in out
    assert load(tmp_path / "runs" / "ensemble", "test").external
    assert read_run(tmp_path / "runs" / "ensemble").data.external


def test_runs_of_different_sizes_are_told_of(ensemble, make_run, tmp_path):
    assert ensemble(make_run("a"), make_run("b", 1, data={"size": 64}), make_run("c", 2, data={"size": 64}))[0] == 0
    blend = read_run(tmp_path / "runs" / "ensemble")
    assert (blend.sizes, [member.size for member in blend.members]) == ([32, 64], [32, 64, 64])
    assert "32 and 64 px" in subtitle(blend)
    (row,) = rows_of([blend], comparable=True)
    assert any(mark.startswith("blend of 3 at 32 and 64 px, ") for mark in row.marks)


def test_ids_are_checked_against_the_sample_submission(ensemble, make_run, petals_root, tmp_path):
    where = {"root": str(petals_root)}
    out = ensemble(make_run("a", data=where), make_run("b", 1, data=where))[1]
    assert "unchecked" not in out
    for name in ("a", "b"):
        place = RunFolder(tmp_path / "runs" / name).predictions("test")
        test = Predictions.load(place)
        Predictions(np.array(["zzz", *test.ids[1:]]), test.probabilities).save(place)
    status, out, err = ensemble(tmp_path / "runs" / "a", tmp_path / "runs" / "b", "--name=bad")
    assert (status, out) == (MISUSED, "")
    assert "the test split's ids differ from it: 1 missing, 1 too many" in err
    assert not (tmp_path / "runs" / "bad").exists()


def test_a_blend_is_not_blended_again(ensemble, trio, make_run, tmp_path):
    ensemble(*trio)
    blend = tmp_path / "runs" / "ensemble"
    status, out, err = ensemble(blend, make_run("d", 9))
    assert (status, out) == (MISUSED, "")
    assert err == f"lightning_flowers: {blend}: is a blend, fitted on val: give its members instead\n"
    assert not (tmp_path / "runs" / "ensemble-2").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "ensemble: give run folders, such as runs/a runs/b"),
        (["runs/a"], "runs/a: one run alone is no blend"),
        (["runs/a", "runs/b", "--weights=1"], "--weights=1: 1 weights for 2 runs"),
        (["runs/a", "runs/b", "--method=median"], "argument --method: invalid choice: 'median'"),
        (["runs/a", "runs/b", "--decision=best"], "argument --decision: invalid choice: 'best'"),
        (["runs/a", "runs/b", "--runs_dir=file"], "file/ensemble: cannot be made: Not a directory"),
    ],
)
def test_mistakes_are_one_line(ensemble, trio, tmp_path, args, said):
    (tmp_path / "file").write_text("")
    status, out, err = ensemble(*args)
    assert (status, out, len(err.splitlines())) == (MISUSED, "", 1)
    assert said in err
    assert not (tmp_path / "runs" / "ensemble").exists()


@pytest.mark.slow
def test_runs_as_fit_leaves_them_are_blended_and_compared(ensemble, petals_root, tmp_path, capsys):
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--trainer.accelerator=cpu"]
    quiet = ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false", f"--runs_dir={tmp_path / 'runs'}"]
    for seed in (0, 1):
        one = [f"--name=s{seed}", f"--seed_everything={seed}", f"--data.root={petals_root}"]
        assert main(["fit", *flags, *quiet, *one]) == 0
    runs = [tmp_path / "runs" / f"s{seed}" for seed in (0, 1)]
    assert ensemble(*runs)[0] == 0
    assert sorted(submitted(tmp_path / "runs" / "ensemble")) == [f"test{number:04d}" for number in range(9)]
    capsys.readouterr()
    assert main(["compare", *map(str, runs), str(tmp_path / "runs" / "ensemble")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("## 32 px, 40 train and 12 val records of 4 classes\n")
    assert [line for line in out.splitlines() if line.startswith("ensemble ")]
    assert "Not comparable" not in out
