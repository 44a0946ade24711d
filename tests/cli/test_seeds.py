"""`fit --seeds` as a user drives it: whole runs on tiny pictures, in processes of their own."""

import csv
import json

import pytest
import yaml

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.cli import seeds
from lightning_flowers.cli.seeds import asks_for_seeds

TINY = [
    "--report=false",
    "--model.backbone=test_resnet",
    "--model.weights=none",
    "--model.lr=0.01",
    "--data.batch_size=8",
    "--data.threads=2",
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--trainer.enable_progress_bar=false",
]


@pytest.mark.parametrize(
    ("args", "asks"),
    [
        (["fit", "--seeds=0,1"], True),
        (["fit", "--seeds", "0"], True),
        (["fit"], False),
        (["predict", "--seeds=0"], False),
        (["fit", "--seeds=0", "--help"], False),
    ],
)
def test_only_fit_takes_seeds(args, asks):
    assert asks_for_seeds(args) == asks


@pytest.mark.parametrize("value", ["", "a", "0,,1", "-1", "1.5", "0,0", "00,0", "1,4294967296"])
def test_seeds_that_cannot_be_are_refused(value, capsys):
    assert main(["fit", f"--seeds={value}"]) == MISUSED
    err = capsys.readouterr().err
    assert err.startswith(f"lightning_flowers: --seeds={value}: give different whole numbers")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--seed_everything=3", "--resume=runs/x", "--seeds=4"])
def test_what_several_runs_cannot_share_is_refused(flag, capsys):
    assert main(["fit", "--seeds", "0,1", flag]) == MISUSED
    assert flag.partition("=")[0] in capsys.readouterr().err


def test_seeds_in_a_config_are_refused(tmp_path, capsys):
    config = tmp_path / "c.yaml"
    config.write_text("seeds: 0,1\n")
    assert main(["fit", f"--config={config}"]) == MISUSED
    assert "--seeds=0,1: give it on the command line" in capsys.readouterr().err


def test_each_seed_has_a_run_and_the_spread_is_shown(tmp_path, petals_root, capsys):
    place = [f"--runs_dir={tmp_path / 'runs'}", f"--data.root={petals_root}", "--predict=false"]
    assert main(["fit", *TINY, "--seeds=3,4", *place]) == 0
    runs = sorted((tmp_path / "runs").iterdir())
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs]
    assert [summary["seed"] for summary in summaries] == [3, 4]
    assert all("seeds" not in yaml.safe_load((run / "config.yaml").read_text()) for run in runs)
    assert [run.name for run in runs] == ["test_resnet-seed3", "test_resnet-seed4"]
    rows = [next(csv.DictReader((run / "metrics.csv").read_text().splitlines())) for run in runs]
    assert rows[0]["val_loss"] != rows[1]["val_loss"]
    (row,) = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("test_resnet-seed3, test_resnet-seed4 ")
    ]
    assert f" {sum(float(row['val_accuracy']) for row in rows) / 2:.4f} ± " in row


@pytest.mark.parametrize("given", [["--name=mine"], ["--name", "mine"]])
def test_named_runs_tell_their_seed_too(given, monkeypatch):
    asked = []
    monkeypatch.setattr(seeds, "_fit", lambda args: (asked.append(args), (0, None))[1])
    seeds.run_seeds(["fit", *given, "--seeds=0,1"])
    assert asked == [
        ["fit", "--name=mine", "--seed_everything=0"],
        ["fit", "--name=mine-seed1", "--seed_everything=1"],
    ]


def test_the_first_run_that_fails_ends_it(monkeypatch, capsys):
    ended = iter([(0, "runs/a"), (MISUSED, None)])
    monkeypatch.setattr(seeds, "_fit", lambda args: next(ended))
    assert main(["fit", "--seeds=0,1,2"]) == MISUSED
    said = capsys.readouterr()
    assert "the run with seed 1 did not finish; finished before it: runs/a" in said.err
    assert "seed       2" not in said.out
