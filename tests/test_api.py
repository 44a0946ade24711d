"""The package from Python: what it offers, and that it does what the command line does."""

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from lightning_fabric.accelerators.xla import XLAAccelerator
from pytorch_lightning import Callback, Trainer
from torch.utils.data import DataLoader, TensorDataset

import lightning_flowers as lf
from lightning_flowers.__main__ import main
from lightning_flowers.data.loader import Loader
from lightning_flowers.hardware import host
from lightning_flowers.model.ema import Ema
from lightning_flowers.model.features import FeatureLoader
from lightning_flowers.model.weights import build_backbone

TINY = {
    "model": {"backbone": "test_resnet", "weights": "none"},
    "trainer": {"accelerator": "cpu", "max_epochs": 1, "enable_progress_bar": False},
    "report": False,
}


@pytest.fixture(autouse=True)
def messages_name_flags():
    """In place of the other tests': to Python they do not."""


def on(root, **more):
    return {"root": root, "batch_size": 8, "threads": 2, "cache": "none", **more}


def test_importing_it_waits_for_nothing():
    code = (
        "import sys, lightning_flowers; assert dir(lightning_flowers); print('numpy' in sys.modules, len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, modules = done.stdout.split()
    assert heavy == "False"
    assert int(modules) < 200  # torch brings a thousand


def test_all_that_it_offers_is_there():
    assert all(getattr(lf, name) for name in lf._HOMES)
    assert set(lf._HOMES) <= set(dir(lf))
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        lf.train  # noqa: B018


def test_fit_and_predict_leave_a_run_and_the_process_as_it_was(petals_root, tmp_path):
    before = process()
    data = on(petals_root, augment="none") | {"batch_size": np.int64(8)}
    model = {"backbone": "test_resnet", "weights": "none", "hidden": np.array([4, 6]), "lr": np.float32(1e-3)}
    settings: dict[str, Any] = {**TINY, "data": data, "model": model, "runs_dir": tmp_path, "seed_everything": 3}
    run = lf.fit(**settings, name="mine")
    assert (run.path, run.status, run.seed, len(run.history)) == (tmp_path / "mine", "finished", 3, 1)
    assert run.settings is not None
    assert run.settings["model"]["backbone"] == "test_resnet"
    assert (run.settings["data"]["batch_size"], run.settings["model"]["hidden"]) == (8, [4, 6])
    found = lf.predict(run, report=False, out=tmp_path / "again")
    for split, predictions in found.items():
        left = lf.Predictions.load(f"{run.path}/predictions/{split}.npz")
        np.testing.assert_allclose(predictions.probabilities, left.probabilities, atol=1e-6)
    assert list(found) == ["val", "test"]
    assert lf.read_run(str(tmp_path / "again")).predictions_of is not None
    assert lf.load(run, accelerator="cpu").path == run.path
    assert main(["predict", f"--run={run.path}", "--trainer.accelerator=cpu", "--trainer.deterministic=true"]) == 0
    after = process()
    assert {name: value for name, value in after.items() if value != before.get(name, value)} == {}
    assert after.keys() == before.keys()


def process():
    """All that a command could leave changed in a process, by name."""
    loggers = {name: logging.getLogger(name) for name in ("", "pytorch_lightning", "lightning_fabric", "matplotlib")}
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    return {
        **{f"${name}": value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        **{f"logger {name}": (logger.level, list(logger.handlers)) for name, logger in loggers.items()},
        **{f"signal {number}": signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)},
        "last resort": getattr(logging.lastResort, "formatter", None),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "hooks": (sys.excepthook, threading.excepthook),
        "streams": (sys.stdout, sys.stderr, sys.stdout.errors, sys.stderr.errors),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "torch": (torch.get_num_threads(), torch.get_default_dtype(), torch.get_float32_matmul_precision()),
        "deterministic": (*deterministic, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
        "tpu": XLAAccelerator.auto_device_count,
        "memory": dict(host._malloc_told),
        "backend": matplotlib.get_backend(),
        "folders": (Path.cwd(), tempfile.gettempdir()),
    }


def test_a_run_s_checkpoint_is_loaded_without_a_network_or_a_word_more(tiny_run, monkeypatch):
    monkeypatch.setattr("lightning_flowers.model.classifier.build_backbone", without_weights(build_backbone))
    best = tiny_run / "checkpoints/best.ckpt"
    model = lf.FlowerClassifier.load_from_checkpoint(best)
    assert (model.hparams["backbone"], model.hparams["num_classes"]) == ("test_resnet", 4)
    assert model.class_names == tuple(f"flower {label}" for label in range(4))
    kept = torch.load(best, weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())
    changed = lf.FlowerClassifier.load_from_checkpoint(str(best), lr=0.5)
    assert changed.optimization.lr == 0.5


def without_weights(build):
    def checked(backbone, weights, drop_path):
        assert weights == "none"
        return build(backbone, weights, drop_path)

    return checked


def test_a_model_is_told_how_many_classes_there_are():
    with pytest.raises(lf.UserError, match=r"num_classes: must be given, such as len\("):
        lf.FlowerClassifier("test_resnet", weights="none")


def test_a_split_gives_picture_label_and_id_of_each_record(petals_root):
    data = lf.PetalsDataModule(root=str(petals_root), batch_size=8, augment="none", cache="none")
    assert repr(data.splits) == "Splits(train: not opened yet, val: not opened yet, test: not opened yet)"
    train = data.splits["train"]
    assert repr(data.splits).startswith(f"Splits(train: {len(train)} records, val: not opened yet")
    item = train[5]
    assert (item.picture.shape, item.picture.dtype, item.label, item.id) == ((32, 32, 3), np.uint8, 1, "train0005")
    assert [each.label for each in train] == train.labels.tolist()
    assert data.splits["test"][0].label == -1
    assert data.classes[item.label] == "flower 1"
    assert [each.id for each in train[4:6]] == ["train0004", "train0005"]
    first = next(iter(data.predict_dataloader()[0]))
    for row, position in enumerate(first["index"].tolist()):
        assert np.array_equal(first["image"][row].permute(1, 2, 0).numpy(), data.splits["val"][position].picture)
    with pytest.raises(KeyError):
        data.splits["training"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data": {"size": 224}}, r"^size=224: .* only of 32 px"),
        ({"trainer": {"logger": object()}}, "trainer.logger: object cannot be written into config.yaml"),
        ({"model": {"learning_rate": 1}}, "learning_rate"),
    ],
)
def test_a_mistake_is_one_line(petals_root, tmp_path, settings, said):
    settings = dict(settings)
    data = {"root": petals_root, **settings.pop("data", {})}
    with pytest.raises(lf.UserError, match=said) as raised:
        lf.fit(data=data, runs_dir=tmp_path, **settings)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: lf.PetalsDataModule("/none"), "root=/none: no such folder: give root=FOLDER, where the data lie now"),
        (lambda: lf.PetalsDataModule(seed=-1), "seed=-1: must not be negative"),
        (lambda: lf.FlowerClassifier(num_classes=5, lr=0), "lr=0: must be above 0, at most 1e+38"),
        (lambda: lf.PetalsDataModule(micro_batch="auto"), "micro_batch=auto: must be int or None"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.PetalsDataModule(batch_size=True), "batch_size=True: must be int"),
        (lambda: lf.PetalsDataModule(fold=False), "fold=False: must be int or None"),
        (lambda: lf.FlowerClassifier(num_classes=5, lr=True), "lr=True: must be float"),
        (lambda: lf.PetalsDataModule(root=5), "root=5: must be str or None"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.PetalsDataModule(extra_roots="/none"), "extra_roots=/none: must be list"),
        (lambda: lf.FlowerClassifier(num_classes=5, lr="x"), "lr=x: must be float"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.FlowerClassifier(num_classes=5, weights=None), "weights=None: must be str"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.fit(config=["a.yaml"]), "config=['a.yaml']: must be a path"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.predict(None), "run=None: must be a path"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.read_run(None), "run=None: must be a path"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.load(None), "run=None: must be a path"),  # pyright: ignore[reportArgumentType]
        (lambda: lf.Predictions.load(None), "path=None: must be a path"),  # pyright: ignore[reportArgumentType]
        (
            lambda: lf.write_submission("x.csv", np.ones((2, 2))),  # pyright: ignore[reportArgumentType]
            "predictions: ndarray has no ids: give Predictions(ids, probabilities)",
        ),
        (lambda: lf.predict("/none"), "run=/none: no such folder"),
        (lambda: lf.fit(model={"lr": "x"}), "lr=x: must be float"),
        (lambda: lf.fit(resume=None, model={"lr": "x"}), "lr=x: must be float"),
        (lambda: lf.fit(lr=0.1), "unrecognized arguments: lr=0.1: did you mean model.lr?"),
        (lambda: lf.fit(data="petals"), "data=petals: no YAML of settings: did you mean data.root=petals?"),
        (lambda: lf.fit(model={"num_classes": 16}), "num_classes: comes from the data: leave it out"),
    ],
)
def test_a_message_names_the_argument_as_it_was_given(make, said):
    with pytest.raises(lf.UserError) as raised:
        make()
    assert str(raised.value) == said


def test_a_message_keeps_commands_paths_and_what_a_command_line_gave(capsys):
    told = "/a--b/--c: give --data.root=D, or: python -m lightning_flowers fit --data.root=D"
    assert str(lf.UserError(told)) == told.replace("give --data.root", "give root")
    assert main(["predict", "--run=/none"]) == 2
    assert capsys.readouterr().err == "lightning_flowers: --run=/none: no such folder\n"


class Spy(Callback):
    """Sees which loaders a Trainer of one's own read, and how many averages it had."""

    def on_fit_start(self, trainer, pl_module):
        callbacks = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
        self.emas = sum(isinstance(callback, Ema) for callback in callbacks)
        self.loaders = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.loaders.append(trainer.train_dataloader)


@pytest.fixture
def own(tmp_path):
    """`own(epochs)`: a Trainer as a notebook makes it, with a Spy."""

    def own(epochs=1):
        folder = tempfile.mkdtemp(dir=tmp_path)
        return Trainer(
            accelerator="cpu", max_epochs=epochs, default_root_dir=folder, logger=False, num_sanity_val_steps=0,
            enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1, callbacks=[Spy()],
        )  # fmt: skip

    return own


def tiny(classes=4, **more):
    torch.manual_seed(0)
    return lf.FlowerClassifier("test_resnet", classes, weights="none", lr=0.05, **more)


def test_the_average_of_the_weights_is_what_one_s_own_trainer_scores_and_saves(petals_root, own):
    data, scores = lf.PetalsDataModule(**on(str(petals_root))), {}
    for decay in (0.0, 0.9):
        trainer, model = own(2), tiny(ema_decay=decay)
        trainer.fit(model, data)
        assert trainer.callbacks[0].emas == (decay > 0)
        scores[decay] = float(trainer.callback_metrics["val_loss"])
        saved = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=True)["state_dict"]
        assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())
    assert scores[0.0] != scores[0.9]


@pytest.mark.filterwarnings("ignore:Found .* in eval mode")
def test_features_of_a_frozen_backbone_are_kept_for_the_model_alone_that_was_trained(
    petals_root, own, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen = []
    features = lf.FlowerClassifier.features
    monkeypatch.setattr(lf.FlowerClassifier, "features", lambda self, x: (seen.append(len(x)), features(self, x))[1])
    data, trainer = lf.PetalsDataModule(**on(str(petals_root), augment="none")), own(3)
    trainer.fit(tiny(freeze_backbone=True), data)
    assert sum(seen) == 40 + 16
    assert isinstance(trainer.callbacks[0].loaders[0], FeatureLoader)
    seen.clear()
    other = tiny()
    own().validate(other, data, verbose=False)
    assert sum(seen) == 16
    trainer = own()
    trainer.fit(other, data)
    assert type(trainer.callbacks[0].loaders[0]) is Loader


def test_decoded_pictures_are_kept_for_one_s_own_trainer(petals_root, own, tmp_path):
    data, trainer = lf.PetalsDataModule(**on(str(petals_root), cache="disk", cache_dir=str(tmp_path / "kept"))), own()
    model = tiny()
    trainer.fit(model, data)
    assert list((tmp_path / "kept").rglob("*"))
    assert trainer.callbacks[0].loaders[0].cache is not None
    assert model.backbone.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        ({"classes": 5}, {}, "num_classes=5: the data have 4 classes"),
        ({}, {"cache": "disk", "cache_dir": "/proc/none"}, "^cache=disk: /proc/none.* give another cache_dir"),
    ],
)
def test_what_cannot_be_with_one_s_own_trainer_is_one_line(petals_root, own, model, data, said):
    with pytest.raises(lf.UserError, match=said):
        own().fit(tiny(**model), lf.PetalsDataModule(**{**on(str(petals_root)), **data}))


def test_a_model_of_other_classes_is_not_scored(petals_root, own):
    model = tiny()
    model.class_names = ("daisy", "rose", "tulip", "iris")
    with pytest.raises(lf.UserError, match="the model was trained on other classes than the data have"):
        own().validate(model, lf.PetalsDataModule(**on(str(petals_root))))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"feature_views": 2}, r"^feature_views=2: would have no effect: it is of features of a frozen backbone"),
        ({"freeze_backbone": True, "head_epochs": 1}, "^head_epochs=1: would have no effect: freeze_backbone=true"),
    ],
)
def test_a_setting_without_effect_is_refused(petals_root, own, settings, said):
    with pytest.raises(lf.UserError, match=said):
        own().fit(tiny(**settings), lf.PetalsDataModule(**on(str(petals_root))))


def test_feature_views_need_the_data_module(petals_root, own):
    data = lf.PetalsDataModule(**on(str(petals_root)))
    model = tiny(freeze_backbone=True, feature_views=2)
    with pytest.raises(lf.UserError, match=r"feature_views=2: needs trainer.fit\(model, datamodule="):
        own().fit(model, data.train_dataloader(), data.val_dataloader())


@pytest.mark.parametrize("stage", ["test", "validate"])
def test_records_without_labels_are_not_scored(petals_root, own, stage):
    data = lf.PetalsDataModule(**on(str(petals_root)))
    with pytest.raises(lf.UserError, match=r"no labels: .* give PetalsDataModule\(test_labels=FILE.csv\), or predict"):
        getattr(own(), stage)(tiny(), data.test_dataloader())
    (predicted, *_) = own().predict(tiny(), data.test_dataloader())
    assert predicted["probabilities"].shape == (8, 4)


def test_what_a_trainer_predicts_is_put_together_in_the_split_s_order(petals_root, own):
    data, model = lf.PetalsDataModule(**on(str(petals_root))), tiny().eval()
    found = lf.collect_predictions(own().predict(model, data), data)
    assert list(found) == ["val", "test"]
    val = data.splits["val"]
    assert found["val"].ids.tolist() == val.ids.tolist()
    np.testing.assert_array_equal(found["val"].labels, val.labels)
    assert (found["test"].probabilities.shape, found["test"].labels) == ((9, 4), None)
    picture = torch.from_numpy(val[9].picture).permute(2, 0, 1)[None]
    np.testing.assert_allclose(model(picture).softmax(1)[0].detach(), found["val"].probabilities[9], atol=1e-5)


def test_of_one_split_alone_predictions_are_put_together_and_a_part_of_them_is_refused(own, make_petals, tmp_path):
    data, model = lf.PetalsDataModule(**on(str(make_petals(tmp_path, test=0)))), tiny()
    batches = own().predict(model, data)
    assert lf.collect_predictions(batches, data)["val"].probabilities.shape == (12, 4)
    with pytest.raises(lf.UserError, match="4 of 12 records were not predicted exactly once"):
        lf.collect_predictions(batches[:1], data)
    with pytest.raises(lf.UserError, match=r"^batches=None: nothing was predicted, or by several processes: give dev"):
        lf.collect_predictions(None, data)  # pyright: ignore[reportArgumentType]


def test_predictions_of_one_loader_are_not_taken_for_all(petals_root, own):
    data = lf.PetalsDataModule(**on(str(petals_root)))
    with pytest.raises(
        lf.UserError, match=r"^batches: of 1 of the loaders of val and test: give trainer.predict\(model, d"
    ):
        lf.collect_predictions(own().predict(tiny(), data.test_dataloader()), data)


def test_records_with_labels_given_beside_them_are_scored(petals_root, own):
    data = lf.PetalsDataModule(**on(str(petals_root)), test_labels=str(petals_root / "test_labels.csv"))
    (scores,) = own().test(tiny(), data, verbose=False)
    assert 0 <= scores["test_accuracy"] <= 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"image": torch.zeros(2, 3, 32, 32)},
            r"^image, float32 \(2, 3, 32, 32\): a batch must be a dict of image \(uint8",
        ),
        ({"image": torch.zeros(2, 32, 32, 3, dtype=torch.uint8)}, r"^image, uint8 \(2, 32, 32, 3\): a batch"),
        ({"label": torch.zeros(2)}, r"^label, float32 \(2,\): a batch"),
        ({"mask": torch.ones(2, dtype=torch.int64)}, r"^mask, int64 \(2,\): a batch"),
        ({"label": [0, 0]}, "^label, a list: a batch"),
        ({"index": None}, "^index, a NoneType: a batch"),
        (
            {"mask": torch.ones(1, dtype=torch.bool)},
            "^records of other numbers, 2 of image, .* 1 of mask: a batch",
        ),
    ],
)
@pytest.mark.parametrize("stage", ["validate", "predict"])
def test_a_batch_of_other_tensors_is_named(own, stage, change, said):
    """Pictures in 0..1 would be taken for black ones."""
    zeros = torch.zeros(2, dtype=torch.int64)
    image = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    batch = {"image": image, "label": zeros, "index": zeros, "mask": torch.ones(2, dtype=torch.bool), **change}
    with pytest.raises(lf.UserError, match=said):
        getattr(own(), stage)(tiny(), DataLoader([batch], batch_size=None))  # pyright: ignore[reportArgumentType]


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_numbers_of_numpy_are_kept_as_plain_ones(petals_root, own):
    data, trainer = lf.PetalsDataModule(**on(str(petals_root))), own()
    settings = {"num_classes": data.splits["train"].labels.max() + 1, "hidden": [np.int64(6)], "lr": np.float32(0.05)}
    model = lf.FlowerClassifier("test_resnet", weights="none", **settings)
    trainer.fit(model, data)
    kept = trainer.checkpoint_callback.best_model_path
    loaded = lf.FlowerClassifier.load_from_checkpoint(kept)
    assert type(loaded.hparams["num_classes"]) is int
    (trainer := own(2)).fit(loaded, data, ckpt_path=kept)
    assert trainer.current_epoch == 2


def test_a_loader_of_pairs_is_told_what_a_batch_holds(own):
    pairs = TensorDataset(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(
        lf.UserError, match=r"^list: a batch must be a dict of image \(uint8 .* PetalsDataModule"
    ) as raised:
        own().validate(tiny(), DataLoader(pairs, batch_size=2), verbose=False)
    assert "\n" not in str(raised.value)


def test_paths_are_taken_as_well_as_texts(petals_root, tmp_path):
    (pipeline := tmp_path / "flip.yaml").write_text("- HorizontalFlip: {p: 0.5}\n")
    data = lf.PetalsDataModule(root=petals_root, augment=pipeline)
    assert (str(data.source.where), data.augment.spec) == (str(petals_root), str(pipeline))
    model = lf.FlowerClassifier("test_resnet", num_classes=2, weights=Path("none"))  # pyright: ignore[reportArgumentType]
    assert model.hparams["weights"] == "none"  # a Path could not be loaded again
