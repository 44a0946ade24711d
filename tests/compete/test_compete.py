"""`compete` as a user drives it; its commands are stood in for, but in one test."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from lightning_flowers.__main__ import INTERRUPTED, MISUSED, main
from lightning_flowers.compete import jobs
from lightning_flowers.compete.folds import read_test
from lightning_flowers.compete.jobs import max_time
from lightning_flowers.compete.page import describe_served
from lightning_flowers.compete.plan import Job, Model
from lightning_flowers.errors import UserError
from lightning_flowers.run.epochs import Epoch
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import Data, Run

TINY = [
    "--model.weights=none", "--data.batch_size=8", "--data.threads=2", "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
]  # fmt: skip
RECORDS = {"train": 40, "val": 12, "test": 9}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def commands(here, monkeypatch, petals_root, request):
    """Stands in for what compete starts: gives the commands, and a dict of exit statuses by a run's name."""
    given, fails = [], {}
    leaked = request.param if hasattr(request, "param") else ()
    test = np.loadtxt(petals_root / "test_labels.csv", delimiter=",", skiprows=1, dtype=str)

    def execute(args, log, shown=None):
        given.append(args)
        flags = dict(arg.split("=", 1) for arg in args[1:] if "=" in arg)
        if args[0] == "records":
            found = Path(flags["--out"]) / "duplicates.csv"
            found.parent.mkdir(parents=True)
            found.write_text("split,id,split_2,id_2,leak\n" + "".join(f"train,t,val,v{n},True\n" for n in leaked))
            return
        name = flags.get("--name") or flags.get("--out", "").rpartition("/")[2]
        if fails.get(name) == INTERRUPTED:
            raise KeyboardInterrupt("interrupted; the same command goes on")
        if name in fails:
            raise jobs.CommandError(f"{name} broke")
        run = RunFolder(here / "runs/compete/runs" / name)
        run.make() if args[0] == "fit" else run.path.mkdir(parents=True)
        rng = np.random.default_rng(len(given))
        folds = {name: int(flags[f"--data.{name}"]) for name in ("folds", "fold") if "--data.fold" in flags}
        val = np.arange(12)[folds.get("fold", 0) :: folds.get("folds", 1)]
        if args[0] == "predict":  # of a fold its val
            ids = Predictions.load(RunFolder(Path(flags["--run"])).predictions("val")).ids
            val = np.array([int(one[1:]) for one in ids])
        for split, ids, labels in (
            ("val", np.array([f"v{n}" for n in val]), val % 4),
            ("test", test[:, 0], None),
        ):
            probabilities = rng.dirichlet(np.ones(4), len(ids)).astype(np.float32)
            run.predictions(split).parent.mkdir(exist_ok=True)
            Predictions(ids, probabilities, labels).save(run.predictions(split))
        train_on = flags.get("--data.train_on", "train")
        data = {"root": str(petals_root), "train_on": train_on, "classes": 4, **folds}
        run.config.write_text("trainer: {max_epochs: 1}\n")
        run.write_summary({"status": "finished", "predictions": {}, "data": data, "backbone": "x", "epochs": 1})

    def probe(name, flags, folds, folder, log):
        if name in fails:
            raise jobs.CommandError(f"{name} cannot be had")
        return Model(name, tuple(flags), 1, 1000.0, 100.0, 100.0), RECORDS

    monkeypatch.setattr(jobs, "execute", execute)
    monkeypatch.setattr(jobs, "probe", probe)
    monkeypatch.setattr(jobs, "settings_of", lambda flags: {"data": {"root": str(petals_root)}})
    monkeypatch.setattr(jobs, "check", lambda models: None)
    return given, fails


def trained(commands):
    return [re.search(r"--name=(\S+)", " ".join(args))[1] for args in commands if args[0] == "fit"]  # pyright: ignore[reportOptionalSubscript]


def submitted(here):
    return list(csv.DictReader((here / "runs/compete/submission.csv").read_text().splitlines()))


def test_models_then_the_last_round_then_a_page(here, commands, capsys):
    given, _ = commands
    assert main(["compete", "--hours=1.4", "--backbones=a,b", "--data.size=32"]) == 0
    said = capsys.readouterr().out
    assert trained(given)[:2] == ["a-seed0", "b-seed0"]
    assert all("--data.size=32" in args for args in given if args[0] == "fit")
    assert len(submitted(here)) == RECORDS["test"]
    page = (here / "runs/compete/campaign.md").read_text()
    assert "the best single run" in page
    assert "a-seed0" in page
    nested = re.search(r"\nval +and adjusted decisions: taken: macro F1 (\S+) nested", said)
    assert nested
    assert page.startswith(f"# compete: macro F1 {nested[1]} on val, nested, of the step taken\n")
    assert (here / "runs/compete/campaign.html").read_text().count("<table>") >= 2


def test_the_last_round_stands_in_for_the_runs_that_were_chosen(here, commands):
    given, _ = commands
    assert main(["compete", "--hours=0.7", "--backbones=a"]) == 0
    assert trained(given) == ["a-seed0", "a-seed0-all"]
    ours, last, flips = (
        Predictions.load(here / f"runs/compete/{folder}/predictions/test.npz").probabilities
        for folder in ("", "runs/a-seed0-all", "runs/a-seed0-flips")
    )
    views = [args for args in given if f"--out={here}" in " ".join(args) or "a-seed0-all-flips" in " ".join(args)]
    chosen = (
        Predictions.load(here / "runs/compete/runs/a-seed0-all-flips/predictions/test.npz").probabilities
        if views
        else last
    )
    assert np.allclose(ours, chosen, atol=1e-6)
    assert not np.allclose(ours, flips, atol=1e-6)


def test_one_model_to_serve_is_the_best_on_train_and_val_and_a_campaign_itself_is_refused(here, commands, capsys):
    assert main(["compete", "--hours=1.4", "--backbones=a,b"]) == 0
    served = "runs/compete/runs/a-seed0-all (trained on train+val)"
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"one model  {served}: give it to serve, classify")
    assert f"{served}." in (here / "runs/compete/campaign.html").read_text()
    for command in (
        ["predict", "--run=runs/compete"],
        ["serve", "runs/compete"],
        ["classify", "runs/compete", "x.jpg"],
    ):
        assert main(command) == MISUSED
        said = capsys.readouterr().err
        assert "give one of the runs in it: runs/compete/runs/a-seed0" in said
        assert "flips" not in said


def test_of_runs_on_train_and_val_the_best_is_served_by_what_it_repeats(tmp_path):
    scores = {"a-seed0": 0.5, "b-seed0": 0.7, "c-seed0": 0.9, "a-seed0-all": None, "b-seed0-all": None}
    runs = [
        Run(
            path=tmp_path / name,
            data=Data(train_on="train"),
            best=Epoch(epoch=1, val_macro_f1=score) if score else None,
        )
        for name, score in scores.items()
    ]
    assert describe_served(runs).startswith(f"{tmp_path / 'b-seed0-all'} (")
    assert describe_served(runs[:3]).startswith(f"{tmp_path / 'c-seed0'} (")


def test_folds_are_blended_as_one_run_by_their_out_of_fold_predictions(here, commands, capsys):
    given, _ = commands
    assert main(["compete", "--hours=1.1", "--backbones=a,b", "--folds=3"]) == 0
    assert trained(given) == ["a-seed0-fold0", "a-seed0-fold1", "a-seed0-fold2"]  # of b not all would fit
    runs = here / "runs/compete/runs"
    joined, *folds = (RunFolder(runs / name) for name in ("a-seed0", "a-seed0-fold0", "a-seed0-fold1", "a-seed0-fold2"))
    with pytest.raises(UserError, match="is what the folds a-seed0-fold0, a-seed0-fold1, a-seed0-fold2 say"):
        joined.checkpoint()
    val, test = (Predictions.load(joined.predictions(split)) for split in ("val", "test"))
    assert sorted(val.ids) == sorted(f"v{n}" for n in range(12))
    first = Predictions.load(folds[0].predictions("val"))
    assert np.array_equal(val.probabilities[np.isin(val.ids, first.ids)], first.probabilities)
    mean = np.mean([Predictions.load(fold.predictions("test")).probabilities for fold in folds], axis=0)
    assert np.allclose(test.probabilities, mean, atol=1e-6)
    served = "runs/compete/runs/a-seed0-fold0 (trained on all but fold 0 of 3)"
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"one model  {served}: give it to serve")
    page = (here / "runs/compete/campaign.md").read_text()
    assert served in page
    assert "all but fold 2 of 3" in page
    assert "the fold that was not trained on it" in page
    assert len(submitted(here)) == RECORDS["test"]


def labels_of(commands, name):
    """What a run was given as pseudo-labels: class by id."""
    args = next(args for args in commands if f"--name={name}" in args)
    path = next(arg.partition("=")[2] for arg in args if arg.startswith("--data.pseudo_labels="))
    return {row["id"]: int(row["label"]) for row in csv.DictReader(Path(path).read_text().splitlines())}


def mean_of(here, *names):
    found = [Predictions.load(here / f"runs/compete/runs/{name}/predictions/test.npz") for name in names]
    mean = np.mean([each.probabilities for each in found], axis=0)
    return dict(zip(found[0].ids.tolist(), mean.argmax(1).tolist(), strict=True))


def test_models_learn_from_what_all_say_of_test_before_further_seeds(here, commands):
    given, _ = commands
    assert main(["compete", "--hours=3", "--backbones=a,b", "--pseudo_labels"]) == 0
    alone = [name for name in trained(given) if not name.endswith("-all")]
    assert alone[:4] == ["a-seed0", "b-seed0", "a-pseudo", "b-pseudo"]
    assert labels_of(given, "a-pseudo") == labels_of(given, "b-pseudo") == mean_of(here, "a-seed0", "b-seed0")
    assert "a-pseudo" in (here / "runs/compete/campaign.md").read_text()


def test_a_fold_learns_from_those_that_have_not_seen_its_val(here, commands):
    given, _ = commands
    assert main(["compete", "--hours=1.6", "--backbones=a", "--folds=2", "--pseudo_labels"]) == 0
    assert trained(given) == ["a-seed0-fold0", "a-seed0-fold1", "a-pseudo-fold0", "a-pseudo-fold1"]
    assert labels_of(given, "a-pseudo-fold1") == mean_of(here, "a-seed0-fold1")


def test_a_small_model_learns_from_the_blend_as_it_was_before_the_last_round(here, commands, capsys):
    given, _ = commands
    assert main(["compete", "--hours=0.4", "--backbones=a"]) == 0
    before = {row["id"]: int(row["label"]) for row in submitted(here)}
    command = ["compete", "--hours=0.8", "--backbones=a", "--distill=small"]
    assert main(command) == 0
    assert trained(given) == ["a-seed0", "a-seed0-all", "distilled"]
    assert [arg for args in given for arg in args if "backbone=small" in arg]
    served = capsys.readouterr().out.splitlines()[-1]
    assert served.startswith("one model  runs/compete/runs/distilled (trained on train): give it to serve")
    assert labels_of(given, "distilled") == before
    assert before != {row["id"]: int(row["label"]) for row in submitted(here)}
    runs = (here / "runs/compete/campaign.md").read_text().partition("## Runs")[2]
    assert "| distilled " in runs
    assert main(command) == 0
    assert trained(given).count("distilled") == 1
    assert main([*command[:-1], "--distill=other"]) == MISUSED
    assert "was begun with other settings" in capsys.readouterr().err


def test_what_takes_longer_than_planned_has_the_rest_planned_anew(here, commands, monkeypatch):
    given, now, train = commands[0], [0.0], jobs.train

    def trains(job, *others):
        now[0] += 1.5 * job.seconds
        return train(job, *others)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(jobs, "train", trains)
    assert main(["compete", "--hours=1.2", "--backbones=a", "--distill=small"]) == 0
    assert trained(given) == ["a-seed0", "distilled"]  # the last round would take the time of what was asked for


def test_after_the_first_fold_there_is_a_submission(here, commands):
    commands[1]["a-seed0-fold1"] = INTERRUPTED
    assert main(["compete", "--hours=1.1", "--backbones=a", "--folds=3"]) == INTERRUPTED
    assert len(submitted(here)) == RECORDS["test"]


@pytest.mark.parametrize("commands", [range(3)], indirect=True)
def test_leaked_records_are_told_of_and_nothing_is_chosen_by_them(here, commands, capsys):
    assert main(["compete", "--hours=0.4", "--backbones=a"]) == 0
    page, out = (here / "runs/compete/campaign.md").read_text(), capsys.readouterr().out
    assert "leak       3 pairs of pictures in train and val" in out
    for told in (page, out):
        assert "3 records were left out of it" in told


def test_hours_that_are_used_up_leave_what_is_there(here, commands, capsys):
    assert main(["compete", "--hours=0.7", "--backbones=a"]) == 0
    page = (here / "runs/compete/campaign.md").read_text()
    (here / "runs/compete/seconds-used.txt").write_text("3000")
    commands[0].clear()
    assert main(["compete", "--hours=0.7", "--backbones=a"]) == 0
    assert "0.83 of 0.7 are used: no time is left" in capsys.readouterr().out
    assert not commands[0]
    assert (here / "runs/compete/campaign.md").read_text() == page


@pytest.mark.parametrize("left", [0, 1440])
def test_what_was_cut_short_counts_and_takes_no_time_of_the_last_round(here, commands, monkeypatch, left):
    folder, asked, train = here / "runs/compete", {}, jobs.train
    assert main(["compete", "--hours=1.4", "--backbones=a,b"]) == 0
    shutil.rmtree(folder / "runs/a-seed0-all")
    run = RunFolder(folder / "runs/b-seed0")
    run.last.touch()
    run.config.write_text("trainer: {max_epochs: 3}\n")
    state = json.loads((folder / "campaign.json").read_text())
    (folder / "campaign.json").write_text(json.dumps({**state, "cut": ["b-seed0"]}))
    (folder / "seconds-used.txt").write_text(str(1.4 * 3600 - left))

    def trains(job, runs, log, seconds):
        asked[job.name] = seconds
        return job.name == "b-seed0" or train(job, runs, log, seconds)

    monkeypatch.setattr(jobs, "train", trains)
    assert main(["compete", "--hours=1.4", "--backbones=a,b"]) == 0
    assert "b-seed0" in (folder / "campaign.md").read_text()
    assert sorted(asked) == (["a-seed0-all", "b-seed0"] if left else [])
    assert asked.get("b-seed0", 0) < 0.9 * 440  # the last round takes 1000 seconds


def test_a_campaign_goes_on_where_data_and_files_lie_elsewhere(here, commands, petals_root):
    for folder in ("old", "new"):
        (here / folder).mkdir()
        (here / folder / "a.yaml").write_text("model: {lr: 0.1}\n")
        flags = [f"--data.root={folder}", f"--backbones={folder}/a.yaml"]
        assert main(["compete", "--hours=0.4", *flags]) == 0


def test_what_was_interrupted_goes_on(here, commands, capsys):
    given, fails = commands
    fails["b-seed0"] = INTERRUPTED
    assert main(["compete", "--hours=1.4", "--backbones=a,b"]) == INTERRUPTED
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    assert len(submitted(here)) == RECORDS["test"]
    fails.clear()
    given.clear()
    assert main(["compete", "--hours=1.4", "--backbones=a,b"]) == 0
    assert trained(given)[0] == "b-seed0"
    assert "a-seed0" not in trained(given)


def test_what_goes_on_leaves_the_submission_until_there_is_more(here, commands):
    given, fails = commands
    assert main(["compete", "--hours=0.7", "--backbones=a"]) == 0
    assert trained(given) == ["a-seed0", "a-seed0-all"]
    before = (here / "runs/compete/submission.csv").read_text()
    fails["a-seed1"] = INTERRUPTED
    assert main(["compete", "--hours=1.4", "--backbones=a"]) == INTERRUPTED
    assert (here / "runs/compete/submission.csv").read_text() == before


def test_what_fails_is_left_out_and_named(here, commands, capsys):
    commands[1].update({"b": 2, "a-seed0-all": 2})
    assert main(["compete", "--hours=1.4", "--backbones=a,b"]) == 0
    page = (here / "runs/compete/campaign.md").read_text()
    assert "b cannot be had" in page
    assert capsys.readouterr().out.count("b cannot be had") == 1
    assert "a-seed0-all broke" in page
    assert len(submitted(here)) == RECORDS["test"]


def test_where_nothing_can_be_trained_it_says_why(here, commands, capsys):
    commands[1].update({"a": 2, "b": 2})
    assert main(["compete", "--hours=1", "--backbones=a,b"]) == MISUSED
    said = capsys.readouterr()
    assert said.err == "lightning_flowers: compete: a: a cannot be had; b: b cannot be had\n"
    assert "cannot be had" not in said.out


def test_where_no_run_comes_to_its_end_each_is_told_once(here, commands, capsys):
    commands[1].update({"a-seed0": 2, "a-seed1": 2, "a-seed2": 2})
    assert main(["compete", "--hours=0.4", "--backbones=a"]) == MISUSED
    said = capsys.readouterr()
    assert (said.out + said.err).count("a-seed0 broke") == 1
    assert (
        said.err
        == "lightning_flowers: compete: no run came to its end: all that they said is in runs/compete/log.txt\n"
    )


def test_a_campaign_does_not_go_on_with_other_settings(here, commands, capsys):
    assert main(["compete", "--hours=0.4", "--backbones=a"]) == 0
    assert main(["compete", "--hours=0.4", "--backbones=a", "--data.size=64"]) == MISUSED
    assert "was begun with other settings" in capsys.readouterr().err


def test_a_campaign_does_not_go_on_with_another_yaml_of_the_same_name(here, commands, capsys):
    settings = here / "a.yaml"
    settings.write_text("model: {lr: 0.1}\n")
    assert main(["compete", "--hours=0.4", "--backbones=a.yaml"]) == 0
    settings.write_text("model: {lr: 0.2}\n")
    assert main(["compete", "--hours=0.4", "--backbones=a.yaml"]) == MISUSED
    assert "was begun with other settings" in capsys.readouterr().err


def test_runs_on_data_that_were_changed_meanwhile_are_not_blended(here, commands):
    assert main(["compete", "--hours=0.7", "--backbones=a"]) == 0
    first, last = (RunFolder(here / "runs/compete/runs" / name) for name in ("a-seed0", "a-seed0-all"))
    test = Predictions.load(last.predictions("test"))
    Predictions(test.ids[::-1], test.probabilities).save(last.predictions("test"))
    with pytest.raises(UserError, match=r"other test records or classes than .*a-seed0, or in another order"):
        read_test([first, last])


def test_two_processes_do_not_share_a_campaign(here, commands, capsys):
    (here / "runs/compete").mkdir(parents=True)
    with FileLock(here / "runs/compete/.lock"):
        assert main(["compete", "--hours=1", "--backbones=a"]) == MISUSED
    assert "another process is at it" in capsys.readouterr().err


def test_runs_of_a_hubs_model_have_a_folders_name(here, commands):
    assert main(["compete", "--hours=0.4", "--backbones=hf-hub:timm/x, b"]) == 0
    assert "hf-hub-timm-x-seed0" in trained(commands[0])


@pytest.mark.parametrize(
    "flags",
    [
        ["--model.head_epochs=3"],
        ["--model.freeze_backbone=true", "--model.feature_views=4"],
        ["--data.cache=disk", "--data.cache_dir=decoded"],
    ],
)
def test_what_a_probe_leaves_out_is_not_refused_in_it(here, flags, capsys):
    assert main(["fit", "--model.backbone=test_resnet", *TINY, *flags, *jobs.PROBED, "--data.root=nowhere"]) == MISUSED
    assert "--data.root=nowhere: no such folder" in capsys.readouterr().err  # settings are looked at before data


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--hours=0"], "--hours=0: must be above 0"),
        (["--hours=nan"], "--hours=nan: must be above 0, and finite"),
        (["--hours=inf"], "--hours=inf: must be above 0, and finite"),
        ([], "the following arguments are required: --hours"),
        (["--hours=1", "--folds=1"], "--folds=1: must be 2 or more"),
        (["--hours=1", "--data.folds=3"], "give --folds"),
        (["--hours=1", "--backbones=a,a"], "give different backbones"),
        (["--hours=1", "--backbones=a.yaml"], "a.yaml: no such file"),
        (["--hours=1", "--resume=x"], "the same command goes on by itself"),
        (["--hours=1", "--model.backbone=x"], "give it among --backbones"),
        (["--hours=1", "--foldz=3"], "compete: --foldz: no such flag: did you mean --folds? (see compete --help)"),
        (["--hours=1", "x"], "x: no flag"),
        (["--hours=1", "--name=.."], "must be a folder's name"),
        (["--hours=1", "--pseudo_labels=yes"], "--pseudo_labels: takes no value, not 'yes'"),
    ],
)
def test_mistakes_are_one_line(here, flags, said, capsys):
    assert main(["compete", *flags]) == MISUSED
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (here / "runs").exists()


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00:00:01"), (3725.9, "00:01:02:05"), (90061, "01:01:01:01")])
def test_seconds_are_written_as_lightning_wants_them(seconds, text):
    assert max_time(seconds) == text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--backbones=test_resnet,bad.yaml"], "bad.yaml: no setting model.backbon: did you mean --model.backbone"),
        (["--backbones=test_resnet,test_resnett"], "--model.backbone=test_resnett: timm"),
        (["--distill=bad.yaml"], "bad.yaml: no setting model.backbon"),
        (["--model.lr=fast"], "--model.lr=fast: must be float"),
        (["--model.lr=-1"], "--model.lr=-1.0: must be above 0"),
        (["--data.cache_dir=x"], "--data.cache_dir=x: would have no effect"),
        (["--trainer.max_epochs=-1"], "--trainer.max_epochs=-1: compete plans by the length of a run"),
        (["--model.optimizer=adamv"], "--model.optimizer=adamv: timm has no such optimizer"),
        (["--model.head_epochs=6"], "--model.head_epochs=6: leaves nothing of the run for the backbone"),
        (["--model.first_size=32"], "--model.first_size=32: must be less than the data's 32 px"),
        (["--data.augment=flipz"], "--data.augment=flipz: neither a preset nor a file: did you mean flips"),
        (["--backbones=test_resnet,pipe.yaml"], "--data.augment: albumentations"),
        (["--data.batch_size=0"], "--data.batch_size=0: must be at least 1"),
        (["--data.balance=2"], "--data.balance=2.0: must be in 0..1"),
        (["--data.size=77"], "--data.size=77: "),
        (["--data.extra_roots=[nowhere]"], "--data.extra_roots: nowhere: no such folder"),
        (["--backbones=all.yaml", "--folds=3"], "--data.folds=3: must be 2 or more, and goes without --data.train_on"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_begun(here, petals_root, flags, said, capsys):
    (here / "bad.yaml").write_text("model: {backbon: test_resnet}\n")
    (here / "pipe.yaml").write_text("model: {backbone: test_resnet}\ndata: {augment: [{Flipp: {}}]}\n")
    (here / "all.yaml").write_text("model: {backbone: test_resnet}\ndata: {train_on: train+val}\n")
    assert main(["compete", "--hours=1", "--model.weights=none", f"--data.root={petals_root}", *flags]) == MISUSED
    told = capsys.readouterr()
    assert told.err.startswith(f"lightning_flowers: {said}")
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert not (here / "runs").exists()


def test_without_records_to_predict_nothing_is_begun(here, commands, capsys, make_petals, monkeypatch):
    root = make_petals(here / "petals", test=0)
    monkeypatch.setattr(jobs, "settings_of", lambda flags: {"data": {"root": str(root)}})
    assert main(["compete", "--hours=1", "--backbones=a"]) == MISUSED
    told = capsys.readouterr()
    assert told.err == "lightning_flowers: compete: the data have no test split to predict: train with fit\n"
    assert told.out == ""


def test_a_probe_that_ends_early_says_so(tmp_path, monkeypatch):
    settings = {"trainer": {"max_epochs": 6}, "data": {"batch_size": 8}}
    monkeypatch.setattr(jobs, "settings_of", lambda flags: settings)

    def execute(args, log, shown=None):
        run = RunFolder(tmp_path / "probes/a")
        run.make()
        run.write_summary({"status": "finished"})

    monkeypatch.setattr(jobs, "execute", execute)
    with pytest.raises(jobs.CommandError, match="ended before its second epoch"):
        jobs.probe("a", [], [], tmp_path / "probes", tmp_path / "log.txt")


@pytest.fixture
def job(here, monkeypatch):
    """A job, its run's folder and the commands that it takes, which leave two of its three epochs."""
    given, run = [], RunFolder(here / "a-seed0")

    def execute(args, log, shown=None):
        given.append(args)
        run.best.parent.mkdir(parents=True, exist_ok=True)
        run.best.touch()
        run.last.touch()
        run.config.write_text("trainer: {max_epochs: 3}\n")
        run.metrics.write_text("epoch\n1\n2\n")
        run.write_summary({"status": "finished", "predictions": {}})

    monkeypatch.setattr(jobs, "execute", execute)
    return Job("a-seed0", "a", ("--data.root=x", "--model.lr=1"), 10.0, "a-seed0"), run, given


def test_a_run_that_was_cut_short_goes_on_from_its_checkpoint_where_the_data_are_now(here, job):
    job, run, given = job
    assert jobs.train(job, here, here / "log", seconds=0)
    assert jobs.progress(here, cut=["a-seed0"]) == {"a-seed0": pytest.approx(2 / 3)}
    of_views = here / "a-seed0-flips"
    of_views.mkdir()
    assert jobs.train(job, here, here / "log", seconds=0)
    assert given[1][1:3] == [f"--resume={run.path}", "--data.root=x"]
    assert "--model.lr=1" not in given[1]
    assert not of_views.exists()  # what the weights until then predicted


def test_a_run_that_ends_by_itself_is_done_and_keeps_its_best_checkpoint_alone(here, job):
    job, run, _ = job
    assert not jobs.train(job, here, here / "log", seconds=1000)
    assert run.best.is_file()
    assert not run.last.exists()
    assert jobs.progress(here, cut=[]) == {"a-seed0": 1.0}


@pytest.mark.slow
def test_a_whole_campaign_that_is_killed_in_the_middle(here, petals_root, capfd):
    given = ["compete", "--backbones=test_resnet", f"--data.root={petals_root}", *TINY, "--trainer.max_epochs=60"]
    run = RunFolder(here / "runs/compete/runs/test_resnet-seed0")
    with subprocess.Popen([sys.executable, "-m", "lightning_flowers", *given, "--hours=0.1"]) as process:
        deadline = time.monotonic() + 400
        while not (run.last.is_file() and len(rows_of(run)) > 2) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    before, used = rows_of(run)[:2], float((here / "runs/compete/seconds-used.txt").read_text())
    assert before
    assert main([*given, f"--hours={(used + 25) / 3600}"]) == 0
    assert rows_of(run)[:2] == before  # it went on with the run
    assert len(submitted(here)) == RECORDS["test"]
    assert float((here / "runs/compete/seconds-used.txt").read_text()) > used
    state = json.loads((here / "runs/compete/campaign.json").read_text())
    assert state["probes"]["test_resnet"]["train"] > 0
    out = capfd.readouterr().out
    assert out.count("probe      test_resnet") == 1
    assert "no picture was found in two splits" in out


def rows_of(run):
    return run.metrics.read_text().splitlines()[1:] if run.metrics.is_file() else []
