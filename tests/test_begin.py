"""Runs and models that begin with the weights of another run."""

import json
import shutil

import pytest
import torch
from pytorch_lightning import Trainer

from lightning_flowers.__main__ import main
from lightning_flowers.api import read_run
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.model.attaching import adopt_classes
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.origin import judge_origin
from lightning_flowers.use.loading import load

from .conftest import fit_tiny

NAMES = tuple(f"flower {number}" for number in range(4))


def begin(weights, classes=NAMES, **more):
    model = FlowerClassifier("test_resnet", len(classes), str(weights), **more)
    assert adopt_classes(model, classes)
    return model


def saved(run, name="best"):
    return torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)


def test_a_run_begins_with_another_and_goes_on_without_it(tiny_run, tiny_root, tmp_path, capsys):
    place = tmp_path / "Blumen [neu] größe"
    shutil.copytree(tiny_run, place / "first")
    flags = [f"--model.weights={place / 'first'}", "--model.freeze_backbone=true", "--model.lr=1e-12"]
    run = fit_tiny(place, tiny_root, "second", *flags, "--model.weight_decay=0")
    told = f"backbone and head of {place / 'first/checkpoints/best.ckpt'}"
    assert f"weights    {told}\n" in capsys.readouterr().out
    for name, tensor in saved(tiny_run)["state_dict"].items():
        torch.testing.assert_close(saved(run)["state_dict"][name], tensor, msg=name)
    shutil.rmtree(place / "first")
    assert main(["fit", f"--resume={run}", "--trainer.max_epochs=2", "--report=false"]) == 0
    assert read_run(run).weights == told
    assert FlowerClassifier.load_from_checkpoint(run / "checkpoints/last.ckpt").class_names == NAMES


def test_one_s_own_trainer_scores_what_the_run_scored(tiny_run, tiny_root):
    model = FlowerClassifier("test_resnet", 4, str(tiny_run))
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    (scores,) = trainer.validate(model, PetalsDataModule(str(tiny_root), batch_size=11, cache="none"), verbose=False)
    best = read_run(tiny_run).best
    assert best is not None
    assert scores["val_loss"] == pytest.approx(best.val_loss, rel=1e-5)


def test_a_head_s_classes_are_put_in_order_by_name(tiny_run):
    order = [2, 0, 3, 1]
    model = begin(tiny_run / "checkpoints/last.ckpt", [NAMES[place] for place in order])
    wanted = saved(tiny_run, "last")["state_dict"]["head.1.weight"][order]
    assert torch.equal(model.head[-1].weight, wanted)  # pyright: ignore[reportArgumentType]
    assert model.origin.endswith("last.ckpt (classes in another order: mapped by name)")


@pytest.mark.parametrize(
    ("classes", "more", "why"),
    [
        (["rose", "iris"], {}, "which is for other classes (6 names are not in both, such as 'flower 0'"),
        (NAMES, {"hidden": [8]}, "which has other dense layers (--model.hidden)"),
    ],
)
def test_a_head_of_another_kind_is_left_and_it_is_told(tiny_run, classes, more, why):
    model = begin(tiny_run, classes, **more)
    assert f"best.ckpt, not its head, {why}" in model.origin
    assert torch.equal(model.backbone.conv1[0].weight, saved(tiny_run)["state_dict"]["backbone.conv1.0.weight"])
    assert model.weights_file is None  # a second Trainer finds the head as the first has left it


def test_a_run_of_another_backbone_is_refused_by_both_names(tiny_run):
    with pytest.raises(UserError, match=r"of a test_resnet, and --model\.backbone=test_vit is a test_vit: give --m"):
        FlowerClassifier("test_vit", 4, str(tiny_run))


@pytest.mark.filterwarnings("ignore:.*has other weights")
def test_pictures_are_normalized_as_the_first_run_of_all_did(tiny_run, tmp_path, monkeypatch):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    known = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}
    torch.save({**saved(run), "normalization": known}, run / "checkpoints/best.ckpt")
    loaded = FlowerClassifier.load_from_checkpoint(run / "checkpoints/best.ckpt")
    for model in (begin(run), loaded, load(run).members[0].model):
        torch.testing.assert_close(model.normalize.mean.flatten() / 255, torch.tensor(known["mean"]))
        kept = {}
        monkeypatch.setattr(model.train_counts, "sums", lambda _: {})  # of a Trainer, which there is not
        model.on_save_checkpoint(kept)
        assert kept["normalization"] == known


@pytest.mark.parametrize(
    ("facts", "external", "warns"),
    [
        ({}, False, None),
        ({"external": True}, True, None),
        ({"root": "elsewhere"}, False, None),  # as many records of the same classes: of another size
        ({"root": "elsewhere", "records": {"train": 41}}, True, None),
        ({"train_on": "train+val"}, False, "has seen records that are val here"),
        ({"folds": 5, "fold": 0}, False, "has seen records that are val here"),
    ],
)
def test_a_run_knows_what_its_weights_have_seen(tiny_run, tiny_root, tmp_path, facts, external, warns):
    run = shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt"))
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    summary["data"] |= facts
    (run / "summary.json").write_text(json.dumps(summary), "utf-8")
    data = PetalsDataModule(str(tiny_root))
    if warns:
        with pytest.warns(match=warns):
            judge_origin(run / "checkpoints/best.ckpt", data)
    else:
        judge_origin(run / "checkpoints/best.ckpt", data)
    assert data.splits.external == external
