"""The curves of a run while it trains, with real loggers: the learning rate, TensorBoard's charts."""

import csv
from itertools import pairwise

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout  # pyright: ignore[reportAttributeAccessIssue]

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.hardware import prepare_host
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.report.live_curves import Curves
from lightning_flowers.run.history import History

EPOCHS = 3


@pytest.fixture(autouse=True)
def one_thread():
    """Steps as small as these only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fit(petals_root):
    """Train a tiny model with `Curves`; gives the history."""
    prepare_host("cpu")  # or Lightning looks for a TPU

    def fit(logger):
        data = PetalsDataModule(root=str(petals_root), batch_size=40, augment="none", threads=2)
        model = FlowerClassifier("test_resnet", weights="none", num_classes=4, lr=0.01, schedule="cosine")
        history = History(None)
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=EPOCHS,
            logger=logger,
            callbacks=[history, Curves(history)],
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, datamodule=data)
        return history

    return fit


def events(folder):
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_every_logger_has_the_learning_rate_beside_the_scores(fit, tmp_path):
    loggers = [
        TensorBoardLogger(tmp_path, "tensorboard", version="", default_hp_metric=False),
        CSVLogger(tmp_path, "csv", version=""),
    ]
    history = fit(loggers)
    wanted = [row["learning_rate"] for row in history.rows]
    assert all(rate > after for rate, after in pairwise(wanted[1:]))

    rows = list(csv.DictReader((tmp_path / "csv" / "metrics.csv").read_text().splitlines()))
    rows = [row for row in rows if row["learning_rate"]]
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx(wanted)
    assert [float(row["train_loss"]) for row in rows] == pytest.approx([row["train_loss"] for row in history.rows])
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]

    found = events(tmp_path / "tensorboard")
    rates, losses = found.Scalars("learning_rate"), found.Scalars("train_loss")
    assert [rate.value for rate in rates] == pytest.approx(wanted)
    assert [rate.step for rate in rates] == [loss.step for loss in losses]


def test_tensorboard_shows_train_and_val_in_one_chart(fit, tmp_path):
    logger = TensorBoardLogger(tmp_path, "tensorboard", version="", default_hp_metric=False)
    fit(logger)
    found = events(tmp_path / "tensorboard")
    layout = Layout.FromString(found.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    charts = {chart.title: list(chart.multiline.tag) for chart in layout.category[0].chart}
    assert charts["macro F1"] == ["train_macro_f1$", "val_macro_f1$"]
    tags = {tag.removesuffix("$") for chart in charts.values() for tag in chart}
    assert tags <= set(found.Tags()["scalars"])  # each is there to be shown
