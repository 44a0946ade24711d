"""The command line as a user drives it: each test runs a whole command in this process, on tiny pictures."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import f1_score

from lightning_flowers.__main__ import main
from lightning_flowers.cli.arguments import expand_run
from lightning_flowers.run import progress
from lightning_flowers.run.predictions import Predictions

from .conftest import assert_refused, rows_of

TINY = [
    "--model.backbone=test_resnet",
    "--model.weights=none",
    "--model.lr=0.01",
    "--data.batch_size=8",
    "--data.threads=2",
    "--trainer.accelerator=cpu",
]


@pytest.fixture(scope="session")
def fitted(tmp_path_factory, petals_root):
    """A finished run, to copy."""
    runs = tmp_path_factory.mktemp("fitted")
    flags = [f"--runs_dir={runs}", "--name=tiny", "--trainer.max_epochs=4", "--trainer.enable_progress_bar=false"]
    assert main(["fit", *TINY, *flags, f"--data.root={petals_root}"]) == 0
    return runs / "tiny"


@pytest.fixture
def a_run(fitted, here):
    return shutil.copytree(fitted, here / "runs" / "tiny")


def test_fit_leaves_all_that_the_contract_names(fitted, petals_root):
    assert {path.name for path in fitted.iterdir()} == {
        "config.yaml", "metrics.csv", "checkpoints", "summary.json", "predictions", "submission.csv", "tensorboard",
        "curves.png", "confusion.png", "classes.csv", "reliability.png", "suspects.csv",
        "report.html",
    }  # fmt: skip
    assert {path.name for path in (fitted / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert any(path.name.startswith("events.out.tfevents") for path in (fitted / "tensorboard").iterdir())
    assert [row["epoch"] for row in rows_of(fitted / "metrics.csv")] == ["1", "2", "3", "4"]
    wanted = {row["id"] for row in rows_of(petals_root / "sample_submission.csv")}
    submitted = [row["id"] for row in rows_of(fitted / "submission.csv")]
    assert len(submitted) == len(wanted)
    assert set(submitted) == wanted


def test_fit_learns(fitted):
    rows = rows_of(fitted / "metrics.csv")
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert max(float(row["val_macro_f1"]) for row in rows) > 0.6  # 4 classes


def test_the_summary_says_what_happened(fitted):
    summary = json.loads((fitted / "summary.json").read_text())
    best = max(rows_of(fitted / "metrics.csv"), key=lambda row: float(row["val_macro_f1"]))
    assert summary["status"] == "finished"
    assert summary["best_epoch"] == int(best["epoch"])
    assert summary["best"]["val_macro_f1"] == pytest.approx(float(best["val_macro_f1"]), abs=1e-5)
    assert summary["data"]["records"] == {"train": 40, "val": 12, "test": 9}
    assert summary["data"]["external"] is False
    assert summary["seed"] == 0
    assert "torch" in summary["versions"]


def test_the_best_epochs_predictions_give_the_best_epochs_score(fitted):
    predicted = Predictions.load(fitted / "predictions" / "val.npz")
    assert predicted.labels is not None
    score = f1_score(predicted.labels, predicted.probabilities.argmax(1), average="macro", labels=range(4))
    assert score == pytest.approx(json.loads((fitted / "summary.json").read_text())["best"]["val_macro_f1"], abs=1e-6)


def test_the_same_seed_gives_the_same_run(run):
    for name in ("a", "b"):
        assert run("fit", *TINY, f"--name={name}", "--trainer.max_epochs=1")[0] == 0
    a, b = (Predictions.load(Path("runs", name, "predictions", "test.npz")) for name in "ab")
    assert np.array_equal(a.probabilities, b.probabilities)


def test_each_epoch_has_one_line_and_the_end_says_where_all_is(run):
    status, out, _ = run("fit", *TINY, "--trainer.max_epochs=2")
    lines = out.splitlines()
    assert status == 0
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert "macro F1" in lines[-3]
    assert lines[-2].split()[0] == "report"
    assert lines[-1].split() == ["run", "runs/test_resnet"]
    assert any(line.split() == ["submission", "runs/test_resnet/submission.csv"] for line in lines)


def test_a_second_run_overwrites_nothing(run, here):
    for _ in range(2):
        assert run("fit", *TINY, "--trainer.max_epochs=1")[0] == 0
    assert {path.name for path in (here / "runs").iterdir()} == {"test_resnet", "test_resnet-2"}


def test_the_config_repeats_the_run(a_run, run, here):
    assert run("fit", "--config", str(a_run / "config.yaml"), "--name=again", data=None)[0] == 0
    first, second = (rows_of(here / "runs" / name / "metrics.csv") for name in ("tiny", "again"))
    assert [row["val_loss"] for row in first] == [row["val_loss"] for row in second]


def test_the_config_finds_its_data_from_any_folder(run, here, petals_root):
    (here / "near").symlink_to(petals_root)
    (here / "labels.csv").write_text((petals_root / "test_labels.csv").read_text())
    beside = ["--data.test_labels=labels.csv", "--data.cache=disk", "--data.cache_dir=kept"]
    assert run("fit", *TINY, "--trainer.max_epochs=1", "--data.root=near", *beside, data=None)[0] == 0
    settings = yaml.safe_load((here / "runs/test_resnet/config.yaml").read_text())
    assert settings["data"]["root"] == str(petals_root.resolve())
    assert settings["data"]["test_labels"] == str(here / "labels.csv")
    assert settings["data"]["cache_dir"] == str(here / "kept")
    assert settings["data"]["size"] == 32


def test_an_epoch_without_validation_has_no_scores_of_it(run, here):
    flags = ["--trainer.max_epochs=3", "--trainer.check_val_every_n_epoch=2"]
    assert run("fit", *TINY, *flags)[0] == 0
    rows = rows_of(here / "runs/test_resnet/metrics.csv")
    assert [bool(row["val_loss"]) for row in rows] == [False, True, False]


@pytest.mark.filterwarnings("default:.*were resized")
def test_fast_dev_run_leaves_nothing(run, here):
    assert run("fit", *TINY, "--trainer.fast_dev_run=true")[0] == 0
    assert not list(here.iterdir())


def test_without_a_test_split_there_is_no_submission(make_petals, run, here, tmp_path):
    root = make_petals(tmp_path / "petals", test=0)
    assert run("fit", *TINY, "--trainer.max_epochs=1", data=root)[0] == 0
    assert not (here / "runs/test_resnet/submission.csv").exists()
    assert (here / "runs/test_resnet/predictions/val.npz").exists()


def test_without_validation_the_last_epoch_is_kept(run, here):
    assert run("fit", *TINY, "--trainer.max_epochs=1", "--trainer.limit_val_batches=0")[0] == 0
    assert (here / "runs/test_resnet/checkpoints/last.ckpt").exists()
    submitted = (here / "runs/test_resnet/submission.csv").read_bytes()
    assert run("predict", "--run=runs/test_resnet", data=None)[0] == 0
    assert (here / "runs/test_resnet/submission.csv").read_bytes() == submitted
    assert_refused(run("validate", "--run=runs/test_resnet", data=None), "--trainer.limit_val_batches=0")


def test_predict_writes_the_same_again(a_run, run):
    before = {path: path.read_bytes() for path in [a_run / "submission.csv", a_run / "predictions" / "test.npz"]}
    for path in before:
        path.unlink()
    assert run("predict", "--run", str(a_run), data=None)[0] == 0
    assert {path: path.read_bytes() for path in before} == before


def test_predict_can_write_elsewhere(a_run, run, here):
    assert run("predict", f"--run={a_run}", "--out=elsewhere", data=None)[0] == 0
    assert (here / "elsewhere" / "submission.csv").read_bytes() == (a_run / "submission.csv").read_bytes()


def test_predictions_of_other_data_do_not_take_the_place_of_the_runs_own(a_run, run, make_petals, tmp_path):
    other = make_petals(tmp_path / "other", seed=5)
    before = (a_run / "submission.csv").read_bytes()
    assert_refused(run("predict", f"--run={a_run}", data=other), "--out")
    assert (a_run / "submission.csv").read_bytes() == before


def test_validate_gives_the_best_epochs_scores(a_run, run):
    status, out, _ = run("validate", "--run", str(a_run), data=None)
    best = json.loads((a_run / "summary.json").read_text())["best"]
    assert status == 0
    assert f"macro_f1 {best['val_macro_f1']:.4f}" in out
    assert f"loss {best['val_loss']:.4f}" in out


@pytest.mark.parametrize("given", [True, False])
def test_test_scores_by_labels_given_or_beside_the_shards(a_run, run, petals_root, given):
    beside = petals_root / "test_labels.csv"
    status, out, _ = run("test", "--run", str(a_run), *([f"--data.test_labels={beside}"] if given else []), data=None)
    assert given or f"labels     {beside}" in out
    submitted = [int(row["label"]) for row in rows_of(a_run / "submission.csv")]
    labels = [int(row["label"]) for row in rows_of(petals_root / "test_labels.csv")]
    score = f1_score(labels, submitted, average="macro", labels=range(4))
    assert status == 0
    assert f"macro_f1 {score:.4f}" in out


def test_resume_goes_on_in_the_same_folder_and_the_users_overrides_win(a_run, run):
    flags = ["--trainer.max_epochs=5", "--model.lr=0.002"]
    assert run("fit", f"--resume={a_run}", *flags, data=None)[0] == 0
    rows = rows_of(a_run / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    checkpoint = torch.load(a_run / "checkpoints" / "last.ckpt", weights_only=False)
    assert checkpoint["hyper_parameters"]["lr"] == 0.002
    summary = json.loads((a_run / "summary.json").read_text())
    assert summary["best_epoch"] == best_epoch(rows)


def test_a_moved_run_keeps_its_best_epoch_when_a_resumed_one_is_worse(a_run, run):
    rows, best = rows_of(a_run / "metrics.csv"), (a_run / "checkpoints" / "best.ckpt").read_bytes()
    assert run("fit", f"--resume={a_run}", "--trainer.max_epochs=6", "--model.lr=5", data=None)[0] == 0
    resumed = rows_of(a_run / "metrics.csv")
    assert float(resumed[-1]["val_macro_f1"]) < max(float(row["val_macro_f1"]) for row in rows)
    assert (a_run / "checkpoints" / "best.ckpt").read_bytes() == best


def test_a_run_resumed_with_another_trainable_part_is_refused(a_run, run):
    result = run("fit", f"--resume={a_run}", "--trainer.max_epochs=5", "--model.freeze_backbone=true", data=None)
    assert_refused(result, "--model.freeze_backbone=True", "was begun with False")


def test_the_last_checkpoint_knows_the_best_score_of_its_own_epoch(run, here):
    """Else a resumed run would let a worse epoch take the place of a best one that was also the last."""
    assert run("fit", *TINY, "--trainer.max_epochs=1")[0] == 0
    folder = here / "runs/test_resnet"
    (row,) = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["callbacks"]["History"]["rows"]
    assert row["val_macro_f1"] == pytest.approx(float(rows_of(folder / "metrics.csv")[0]["val_macro_f1"]), rel=1e-4)


def test_a_refused_resume_leaves_the_run_as_it_was(a_run, run, make_petals, tmp_path):
    def contents():
        return {
            path: path.read_bytes() for path in a_run.rglob("*") if path.is_file() and "tensorboard" not in path.parts
        }

    before = contents()
    other = make_petals(tmp_path / "other", seed=5)
    assert_refused(run("fit", f"--resume={a_run}", "--model.hidden=[7]", data=None), "--model.hidden=[7]")
    assert_refused(run("fit", f"--resume={a_run}", data=other), "start a new run")
    assert_refused(run("fit", f"--resume={a_run}", "--trainer.fast_dev_run=true", data=None), "--resume")
    assert contents() == before


@pytest.mark.parametrize("command", ["fit --resume", "predict --run"])
@pytest.mark.parametrize("older", [False, True], ids=["", "older run"])
def test_labels_that_were_shifted_are_other_data(a_run, run, make_petals, tmp_path, command, older):
    root = make_petals(tmp_path / "shifted", shift=1)
    if older:
        summary = json.loads((a_run / "summary.json").read_text())
        known = summary["data"]["fingerprints"]
        summary["data"]["fingerprints"] = {name: known[name].split("-")[0] for name in known}
        (a_run / "summary.json").write_text(json.dumps(summary))
    name, flag = command.split()
    result = run(name, f"{flag}={a_run}", "--report=false", data=root)
    if older:
        assert result[0] == 0, "it knows no labels"
    else:
        assert_refused(result, "split of the run", "start a new run" if name == "fit" else "--out")


def test_a_run_whose_data_moved_is_told_the_flag(a_run, run, make_petals, tmp_path):
    root = make_petals(tmp_path / "here")
    config = yaml.safe_load((a_run / "config.yaml").read_text())
    config["data"]["root"] = str(tmp_path / "gone")
    (a_run / "config.yaml").write_text(yaml.safe_dump(config))
    assert_refused(run("fit", f"--resume={a_run}", data=None), f"--data.root={tmp_path}/gone", "--data.root=FOLDER")
    assert_refused(run("predict", f"--run={a_run}", data=None), f"--data.root={tmp_path}/gone", "--data.root=FOLDER")
    assert run("predict", f"--run={a_run}", "--report=false", data=root)[0] == 0


def best_epoch(rows):
    return int(max(rows, key=lambda row: float(row["val_macro_f1"]))["epoch"])


def test_a_frozen_backbone_and_dense_layers_from_the_command_line(run, here):
    flags = ["--model.freeze_backbone=true", "--model.hidden=[16]", "--model.dropout=0.2", "--trainer.max_epochs=1"]
    assert run("fit", *TINY, *flags)[0] == 0
    summary = json.loads((here / "runs/test_resnet/summary.json").read_text())
    assert summary["trainable"] is False
    state = torch.load(here / "runs/test_resnet/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert [tuple(tensor.shape) for name, tensor in state.items() if name.endswith("weight") and "head" in name] == [
        (16, state["head.1.weight"].shape[1]),
        (4, 16),
    ]


@pytest.mark.slow
def test_a_last_batch_that_processes_share_unevenly_weighs_as_in_one(here, petals_root):
    """39 records in batches of 38: of the last, which is one record, the second process has none."""
    flags = ["--data.folds=4", "--data.fold=0", "--data.batch_size=38", "--data.augment=none", "--trainer.max_epochs=2"]
    flags += ["--model.freeze_backbone=true", f"--data.root={petals_root}", "--report=false"]
    heads = []
    for name, devices in (("one", []), ("two", ["--trainer.devices=2", "--trainer.strategy=ddp"])):
        command = [sys.executable, "-m", "lightning_flowers", "fit", *TINY, *flags, *devices, f"--name={name}"]
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        state = torch.load(here / "runs" / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        heads.append(torch.cat([part.flatten() for key, part in state.items() if key.startswith("head.")]))
    torch.testing.assert_close(heads[0], heads[1], rtol=1e-4, atol=1e-6)


def test_print_config_shows_every_setting(run, capsys):
    with pytest.raises(SystemExit) as done:
        run("fit", "--print_config", data=None)
    assert done.value.code == 0
    settings = yaml.safe_load(capsys.readouterr().out)
    assert {"trainer", "model", "data", "seed_everything", "name", "runs_dir", "resume"} <= settings.keys()


@pytest.mark.parametrize(
    ("args", "shown", "hidden"),
    [
        (
            ["fit", "--help"],
            ["--data.root", "--model.mixup", "--trainer.max_epochs", "(default: 32)"],
            "--trainer.plugins",
        ),
        (["fit", "--help=all"], ["--data.root", "--trainer.plugins"], "--run "),
        (["predict", "--help"], ["--run", "--data.batch_size", "--tta"], "--model."),
        (["predict", "--help=all"], ["--model.mixup", "--model.optimizer"], "--resume"),
    ],
)
def test_help_says_what_a_command_is_given_and_all_when_asked(args, shown, hidden, capsys):
    with pytest.raises(SystemExit) as done:
        main(args)
    out = capsys.readouterr().out
    assert done.value.code == 0
    assert all(part in out for part in shown)
    assert hidden not in out
    assert len(out.splitlines()) < 200 or "=all" in args[1]


def test_a_flag_that_the_help_leaves_out_is_accepted(run, a_run):
    assert run("validate", f"--run={a_run}", "--model.mixup=0.2", "--trainer.detect_anomaly=true", data=None)[0] == 0


def test_a_shell_completes_commands_flags_and_values(capsys, tmp_path):
    assert main(["--print_completion=bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    ask = (
        'source ./script; try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_lightning_flowers; '
        'echo "${COMPREPLY[*]}"; }; try x fi; try x fit --data.cache_; try x fit --model.schedule st; '
        "try x compare --o; try x report scr"
    )
    done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["fit", "--data.cache_dir", "starter", "--out", "script"]
    assert not done.stderr


def test_bars_say_what_they_do_and_count_epochs_from_1(run, monkeypatch):
    monkeypatch.setattr(progress, "shows_bars", lambda stream: True)
    _, out, err = run("fit", *TINY, "--trainer.max_epochs=2", "--report=false")
    said = out + err
    for bar in (
        "trying val before training",
        "epoch 1/2",
        "epoch 2/2",
        "scoring val",
        "predicting val",
        "predicting test",
    ):
        assert f"{bar}:" in said
    assert "DataLoader" not in said
    assert "epoch 0" not in said.lower()


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lightning_flowers 0.")


def test_a_runs_config_stands_before_what_the_user_gives(a_run):
    args = expand_run(["predict", "--data.threads=1", "--run", str(a_run)])
    assert args[:3] == ["predict", "--config", str(a_run / "config.yaml")]
    assert args[3] == "--data.threads=1"


@pytest.mark.parametrize(
    "content", [b"", b"- 1\n", b"\xff\xfe", b"data: {"], ids=["empty", "list", "not text", "not YAML"]
)
def test_a_config_without_settings_is_named(run, here, content):
    (here / "broken").mkdir()
    (here / "broken/config.yaml").write_bytes(content)
    for flags in (["--run=broken"], ["--config=broken/config.yaml"], ["-c", "broken/config.yaml"]):
        assert_refused(run("validate", *flags, data=None), "broken/config.yaml: ")


def test_two_runs_are_not_one(run, a_run):
    said = f"--run={a_run}: give one run folder, not 2"
    assert_refused(run("validate", "--run", str(a_run), f"--run={a_run}", data=None), said)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--out="], "--out=: give a folder"),
        (["--out=file/x"], "file is a file: give a folder"),
        (["--trainer.fast_dev_run=true"], "--trainer.fast_dev_run=True: predictions are of whole splits"),
    ],
)
def test_predictions_that_cannot_be_are_refused_before_any_is_made(run, here, a_run, flags, said):
    (here / "file").touch()
    assert_refused(run("predict", f"--run={a_run}", *flags, data=None), said)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data.root=/no/such/folder"], ["--data.root=/no/such/folder", "no such folder"]),
        (["--data.size=512"], ["--data.size=512", "only of 32 px"]),
        (["--data.batch_size=0"], ["--data.batch_size=0"]),
        (["--model.backbone=densnet201"], ["--model.backbone=densnet201", "did you mean densenet201"]),
        (["--model.weights=missing.pth"], ["--model.weights=missing.pth", "no such file"]),
        (["--trainer.accelerator=tpu"], ["--trainer.accelerator=tpu: ", "use --trainer.accelerator=auto"]),
        (["--trainer.max_epochs=many"], ["max_epochs", "many"]),
        (["--trainer.max_epoch=3"], ["max_epoch"]),
        (["--resume=runs/nothing"], ["runs/nothing", "no such folder"]),
        (["--resume"], ["--resume", "give a run folder"]),
        (["--ckpt_path=missing.ckpt"], ["--ckpt_path=missing.ckpt"]),
        (["--trainer.limit_predict_batches=2"], ["--trainer.limit_predict_batches"]),
        (["--trainer.strategy=ddp_spawn", "--trainer.devices=2"], ["--trainer.strategy=ddp_spawn", "use ddp"]),
        (["--trainer.accelerator=mps"], ["--trainer.accelerator=mps"]),
        (["--trainer.accelerator=foo"], ["Lightning refuses", "foo"]),
        (["--trainer.val_check_interval=100"], ["Lightning refuses", "val_check_interval"]),
        (["--trainer.max_epochs=-1"], ["--trainer.max_epochs"]),
        (["--seed_everything=-3"], ["-3"]),
        (["--config=missing.yaml"], ["missing.yaml"]),
        (["--runs_dir=/proc/runs"], ["/proc/runs", "--runs_dir"]),
    ],
)
def test_a_mistake_is_answered_in_one_line_and_leaves_nothing(run, here, petals_root, flags, said):
    assert_refused(run("fit", *TINY, f"--data.root={petals_root}", *flags, data=None), *said)
    assert not list(here.iterdir())


def damage_name(root):
    path = next((root / "tfrecords-jpeg-32x32/val").glob("00-*"))
    path.rename(path.with_name("00-32x32-99.tfrec"))
    return "00-32x32-99.tfrec"


def damage_by_cutting(root):
    path = next((root / "tfrecords-jpeg-32x32/train").glob("01-*"))
    path.write_bytes(path.read_bytes()[:-7])
    return path.name


def damage_by_emptying(root):
    shutil.rmtree(root / "tfrecords-jpeg-32x32/val")
    (root / "tfrecords-jpeg-32x32/val").mkdir()
    return "empty split"


def damage_by_removing_all(root):
    shutil.rmtree(root / "tfrecords-jpeg-32x32")
    return "no shards there"


def damage_sample(root):
    (root / "sample_submission.csv").write_text("id,label\nanother,0\n")
    return "sample_submission.csv"


def damage_labels(root):
    (root / "classes.txt").write_text("only\ntwo\n")
    return "outside the 2 classes"


@pytest.mark.parametrize(
    "damage", [damage_name, damage_by_cutting, damage_by_emptying, damage_by_removing_all, damage_sample, damage_labels]
)
def test_damaged_data_are_refused_before_anything_is_written(make_petals, run, here, tmp_path_factory, damage):
    root = make_petals(tmp_path_factory.mktemp("damaged") / "petals")
    said = damage(root)
    assert_refused(run("fit", *TINY, data=root), said)
    assert not list(here.iterdir())


def test_a_payload_damaged_within_is_named_when_it_is_read(make_petals, run, tmp_path_factory):
    root = make_petals(tmp_path_factory.mktemp("damaged") / "petals")
    path = next((root / "tfrecords-jpeg-32x32/train").glob("01-*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert_refused(run("fit", *TINY, data=root), path.name, "record", "at byte", "CRC")


def test_a_command_without_any_flag_is_understood(run):
    assert_refused(run("predict", data=None), "predict: give --run=runs/NAME")
    assert expand_run(["fit"]) == ["fit"]


def test_predict_needs_a_run(run):
    assert_refused(run("predict", *TINY), "--run")
    assert_refused(run("predict", "--run=runs/none", data=None), "runs/none", "no such folder")


def test_a_run_without_its_checkpoint_is_refused(a_run, run):
    (a_run / "checkpoints" / "best.ckpt").unlink()
    assert_refused(run("predict", "--run", str(a_run), data=None), "checkpoints/best.ckpt", "--resume")


def test_a_checkpoint_of_another_model_is_refused(a_run, run):
    assert_refused(run("predict", "--run", str(a_run), "--model.hidden=[7]", data=None), "checkpoint", "best.ckpt")


def test_a_run_on_data_of_other_classes_is_refused(a_run, run, make_petals, tmp_path):
    other = make_petals(tmp_path / "other", classes=5)
    assert_refused(run("validate", "--run", str(a_run), data=other), "has other classes than", "flower 4")


def test_test_needs_labels(a_run, run, petals_root, tmp_path):
    root = shutil.copytree(petals_root, tmp_path / "petals", ignore=shutil.ignore_patterns("test_labels.csv"))
    assert_refused(run("test", "--run", str(a_run), data=root), "--data.test_labels")


@pytest.mark.parametrize("command", [["validate", "--run"], ["fit", "--resume"]])
@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("config.yaml", lambda text: text[:-3], "cut off in its last line"),  # `size:` would be whatever is there
        ("config.yaml", lambda text: text.partition("data:")[0], "no settings of data"),  # the demo petals
        ("summary.json", lambda text: json.dumps({**json.loads(text), "data": 5}), "data: "),
        ("metrics.csv", lambda text: text[:-3], "cut off in its last line"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(a_run, run, command, file, damage, said):
    (a_run / file).write_text(damage((a_run / file).read_text()))
    name, flag = command
    assert_refused(run(name, flag, str(a_run), data=None), f"runs/tiny/{file}: damaged ({said}")
