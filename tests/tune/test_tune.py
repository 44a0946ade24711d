"""`tune` as a user drives it; trials are real runs in processes of their own."""

import csv
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from lightning_flowers.__main__ import INTERRUPTED, MISUSED, main
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.history import COLUMNS
from lightning_flowers.tune import search
from lightning_flowers.tune.space import read_space

TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
    "--trainer.accelerator=cpu", "--trainer.max_epochs=2",
]  # fmt: skip
VARY = "--vary=model.lr=1e-4..1e-1:log"


@pytest.fixture
def trials(monkeypatch):
    """Stands in for `fit`: a list of each trial's scores by epoch, or of the exit status of one that fails at once.
    Gives the command lines, and what was terminated."""
    planned, commands, ended = [], [], []

    class Process:
        def terminate(self):
            ended.append(len(commands) - 1)

    def run_command(args, on_line):
        commands.append(args)
        scores = planned[len(commands) - 1]
        flags = dict(arg.split("=", 1) for arg in args[1:])
        if isinstance(scores, int):
            on_line("lightning_flowers: what went wrong\n", Process())
            return scores
        folder = RunFolder(Path(flags["--runs_dir"]) / flags["--name"])
        folder.make()
        folder.best.touch()
        folder.write_summary({"status": "running"})
        folder.config.write_text(
            yaml.safe_dump({"model": {"lr": float(flags["--model.lr"])}, "trainer": {"logger": False}})
        )
        rows = [",".join(COLUMNS)]
        for epoch, score in enumerate(scores, 1):
            rows.append(",".join({"epoch": str(epoch), "val_macro_f1": str(score)}.get(name, "") for name in COLUMNS))
            folder.metrics.write_text("\n".join(rows) + "\n")
            on_line(f"epoch {epoch}/3 | ...\n", Process())
            if len(commands) - 1 in ended:
                return INTERRUPTED  # as `fit` does, which takes a SIGTERM for a Ctrl-C
        return 0

    monkeypatch.setattr(search, "run_command", run_command)
    return planned, commands, ended


def rows_of(folder):
    return {int(row["trial"]): row for row in csv.DictReader((folder / "trials.csv").read_text().splitlines())}


@pytest.mark.slow
def test_a_search_leaves_the_best_settings_and_goes_on(here, petals_root, capfd):
    given = [*TINY, f"--data.root={petals_root}", "--runs_dir=found"]
    assert main(["tune", VARY, "--trials=1", *given]) == 0
    assert main(["tune", VARY, "--trials=2", *given]) == 0
    out = capfd.readouterr().out
    assert out.count("trial 0 ") == out.count("trial 1 ") == 1
    rows = rows_of(here / "found/tune")
    assert sorted(rows) == [0, 1]
    best = max(rows.values(), key=lambda row: float(row["val_macro_f1"]))
    run = here / f"found/tune/trials/{int(best['trial']):04d}"
    assert json.loads((run / "summary.json").read_text())["best"]["val_macro_f1"] == pytest.approx(
        float(best["val_macro_f1"]), abs=1e-4
    )
    settings = yaml.safe_load((here / "found/tune/best.yaml").read_text())
    assert settings["model"]["lr"] == pytest.approx(float(best["model.lr"]))
    assert [path.parent.parent.name for path in (here / "found").rglob("best.ckpt")] == [run.name]
    assert not (run / "predictions").exists()
    assert (here / "found/tune/tune.png").stat().st_size > 5000
    with pytest.raises(SystemExit, match="0"):  # it is a config of fit
        main(["fit", f"--config={here / 'found/tune/best.yaml'}", "--print_config"])


def test_what_falls_behind_the_median_is_pruned(here, trials, capsys):
    planned, commands, ended = trials
    planned += [[0.1, 0.5, 0.9]] * search.STARTUP_TRIALS + [[0.05, 0.5, 0.9], [0.2, 0.6, 0.95]]
    assert main(["tune", VARY, "--trials=7", "--data.root=x"]) == 0
    assert ended == [search.STARTUP_TRIALS]
    rows = rows_of(here / "runs/tune")
    assert [rows[number]["state"] for number in range(7)] == ["complete"] * 5 + ["pruned", "complete"]
    assert rows[5]["epochs"] == "1"
    assert "# Trial 6 of 7: macro F1 0.9500 on val in epoch 3." in (here / "runs/tune/best.yaml").read_text()
    assert [path.parent.name for path in (here / "runs/tune").rglob("checkpoints")] == ["0006"]
    assert all("--data.root=x" in command for command in commands)


def test_the_last_trial_ends_with_the_hours(here, trials, monkeypatch, capsys):
    planned, _, ended = trials
    planned += [[0.1, 0.5, 0.9]]
    now = iter([0, 0, math.inf, math.inf])
    monkeypatch.setattr(search, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert main(["tune", VARY, "--hours=1"]) == 0
    assert ended == [0]
    assert "the hours are over, after epoch 2" in capsys.readouterr().out
    assert rows_of(here / "runs/tune")[0]["val_macro_f1"] == "0.5000"


def test_a_first_trial_that_fails_ends_the_search_with_what_it_said(here, trials, capsys):
    trials[0].append(MISUSED)
    assert main(["tune", VARY]) == MISUSED
    assert "tune: trial 0: what went wrong (all that it said: runs/tune/trials/0000.log)" in capsys.readouterr().err


def test_later_trials_may_fail_but_not_three_in_a_row(here, trials, capsys):
    trials[0].extend([[0.5], 2, 2, [0.6], 2, 2, 2, [0.7]])
    assert main(["tune", VARY]) == MISUSED
    assert len(trials[1]) == 7
    assert rows_of(here / "runs/tune")[3]["val_macro_f1"] == "0.6000"


def test_an_interrupted_search_says_how_to_go_on(here, trials, capsys):
    trials[0].extend([[0.5], INTERRUPTED])
    assert main(["tune", VARY]) == INTERRUPTED
    assert "interrupted in trial 1; the same command goes on" in capsys.readouterr().err
    trials[0].extend([[0.6]])
    assert main(["tune", VARY, "--trials=2"]) == 0
    assert {number: row["state"] for number, row in rows_of(here / "runs/tune").items()} == {
        0: "complete", 1: "fail", 2: "complete",
    }  # fmt: skip


def test_a_search_does_not_go_on_with_other_settings(here, trials, capsys):
    trials[0].extend([[0.5]])
    assert main(["tune", VARY, "--trials=1"]) == 0
    assert main(["tune", VARY, "--trials=2", "--data.size=64"]) == MISUSED
    assert "--name=tune: was begun with other settings" in capsys.readouterr().err


def test_a_trial_that_another_process_trains_keeps_its_checkpoints(here, trials):
    trials[0].extend([[0.5], [0.4]])
    wanted = search.Search(here / "runs/tune", read_space([VARY.partition("=")[2]]), ("--data.root=x",))
    other = search.open_study(wanted).ask(wanted.space)
    theirs = search.trial_folder(wanted, other.number) / "checkpoints"
    theirs.mkdir(parents=True)
    assert main(["tune", VARY, "--trials=2", "--data.root=x"]) == 0
    assert theirs.is_dir()
    assert [path.parent.name for path in (here / "runs/tune").rglob("checkpoints")] == ["0000", "0001"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([VARY, "--model.lr=1"], "is given as a flag of all trials too"),
        ([VARY, "--resume=x"], "--resume: is of single runs"),
        ([VARY, "x"], "x: no flag"),
        ([VARY, "--trials=0"], "must be above 0"),
        ([VARY, "--hours=nan"], "must be above 0"),
        ([VARY, "--name=a/b"], "must be a folder's name"),
        ([VARY, "--storage=nowhere"], "--storage=nowhere: Could not parse"),
    ],
)
def test_mistakes_are_one_line(here, flags, said, capsys):
    assert main(["tune", *flags]) == MISUSED
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not Path("runs").exists()
