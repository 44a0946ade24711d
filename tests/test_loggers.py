"""Loggers of Lightning in place of TensorBoard, each with its library, nothing sent anywhere."""

import csv
import json

import pytest

from lightning_flowers.__main__ import MISUSED, main

SCORES = {"train_loss", "train_macro_f1", "val_loss", "val_accuracy", "val_macro_f1", "learning_rate"}


@pytest.fixture
def fit(tmp_path, petals_root, monkeypatch):
    """`fit(*flags)`: two epochs on the tiny data set; gives the exit status."""
    monkeypatch.chdir(tmp_path)
    flags = [
        "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
        "--trainer.accelerator=cpu", "--trainer.max_epochs=2", "--trainer.enable_progress_bar=false",
        f"--data.root={petals_root}",
    ]  # fmt: skip
    return lambda *more: main(["fit", *flags, *more])


def history(tmp_path):
    return list(csv.DictReader((tmp_path / "runs/test_resnet/metrics.csv").read_text().splitlines()))


def test_tensorboard_is_there_by_default_with_train_and_val_in_one_chart(fit, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout  # pyright: ignore[reportAttributeAccessIssue]

    assert fit() == 0
    events = EventAccumulator(str(tmp_path / "runs/test_resnet/tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) >= SCORES
    for name in SCORES:
        logged = [event.value for event in events.Scalars(name)]
        assert logged == pytest.approx([float(row[name]) for row in history(tmp_path)], rel=1e-4)
    steps = {name: [event.step for event in events.Scalars(name)] for name in ("learning_rate", "train_loss")}
    assert steps["learning_rate"] == steps["train_loss"]
    layout = Layout.FromString(events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    charts = {chart.title: list(chart.multiline.tag) for chart in layout.category[0].chart}
    assert charts["macro F1"] == ["train_macro_f1$", "val_macro_f1$"]
    tags = {tag.removesuffix("$") for chart in charts.values() for tag in chart}
    assert tags <= set(events.Tags()["scalars"])  # each is there to be shown


def test_lightnings_csv_logger_can_take_its_place(fit, tmp_path):
    assert fit("--trainer.logger=CSVLogger", "--trainer.logger.save_dir=logs") == 0
    (metrics,) = (tmp_path / "logs").rglob("metrics.csv")
    rows = list(csv.DictReader(metrics.read_text().splitlines()))
    assert set(rows[0]) >= SCORES
    together = [row for row in rows if row["learning_rate"]]
    assert len(together) == 2
    assert all(row["train_loss"] for row in together)
    logged = [float(row["val_loss"]) for row in rows if row["val_loss"]]
    assert logged == pytest.approx([float(row["val_loss"]) for row in history(tmp_path)], rel=1e-4)


@pytest.mark.filterwarnings("default")
def test_mlflow_keeps_the_scores_in_its_folder(fit, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert fit("--trainer.logger=MLFlowLogger", f"--trainer.logger.tracking_uri=file:{tmp_path / 'mlruns'}") == 0
    for name in SCORES:
        (path,) = (tmp_path / "mlruns").rglob(f"metrics/{name}")
        logged = [float(line.split()[1]) for line in path.read_text().splitlines()]
        assert logged == pytest.approx([float(row[name]) for row in history(tmp_path)], rel=1e-4), name


@pytest.mark.filterwarnings("default")
def test_mlflow_is_given_the_checkpoints_of_the_run(fit, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"--trainer.logger.tracking_uri=file:{tmp_path / 'mlruns'}"
    assert fit("--trainer.logger=MLFlowLogger", uri, "--trainer.logger.log_model=true") == 0
    for name in ("best.ckpt", "last.ckpt"):
        (given,) = (tmp_path / "mlruns").rglob(name)
        assert given.read_bytes() == (tmp_path / "runs/test_resnet/checkpoints" / name).read_bytes()


@pytest.mark.filterwarnings("default")
def test_weights_and_biases_logs_offline(fit, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logged = []
    log = wandb.sdk.wandb_run.Run.log
    monkeypatch.setattr(
        wandb.sdk.wandb_run.Run,
        "log",
        lambda self, data, *args, **kw: (logged.append(data), log(self, data, *args, **kw)),
    )
    flags = ("--trainer.logger.save_dir=logs", "--trainer.logger.offline=true", "--trainer.logger.project=petals")
    (tmp_path / "logs").mkdir()
    assert fit("--trainer.logger=WandbLogger", *flags) == 0
    wandb.finish()
    assert list((tmp_path / "logs").rglob("*.wandb"))
    losses = [data["val_loss"] for data in logged if "val_loss" in data]
    assert losses == pytest.approx([float(row["val_loss"]) for row in history(tmp_path)], rel=1e-4)
    assert {name for data in logged for name in data} >= SCORES


def test_a_logger_that_cannot_start_is_one_line(fit, tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    uri = f"--trainer.logger.tracking_uri=file:{tmp_path / 'mlruns'}"
    assert fit("--trainer.logger=MLFlowLogger", uri) == MISUSED
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert "MLFLOW_ALLOW_FILE_STORE" in err[0]
    assert not (tmp_path / "runs").exists()


def test_the_summary_of_a_run_without_a_logger_is_whole(fit, tmp_path):
    assert fit("--trainer.logger=false") == 0
    assert json.loads((tmp_path / "runs/test_resnet/summary.json").read_text())["status"] == "finished"
