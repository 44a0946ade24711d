"""Training pictures grow over the epochs; those of val never change."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.growth import check_growth, shrink, side_at, stage_at

pytestmark = pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against")
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
    "--data.cache=none", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--predict=false",
]  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "stages"),
    [(1, [3]), (2, [0, 3]), (4, [0, 1, 2, 3]), (6, [0, 0, 1, 2, 3, 3]), (8, [0, 0, 1, 1, 2, 2, 3, 3])],
)
def test_a_run_has_four_stages_and_ends_with_the_last(epochs, stages):
    assert [stage_at(epoch, epochs) for epoch in range(epochs)] == stages


def test_sizes_are_multiples_of_32_between_what_was_asked_for_and_what_there_is():
    assert [side_at(stage, 128, 224) for stage in range(4)] == [128, 160, 192, 224]
    assert [side_at(stage, 160, 331) for stage in range(4)] == [160, 224, 288, 331]
    assert [side_at(stage, 200, 224) for stage in range(4)] == [200, 200, 200, 224]


@pytest.mark.parametrize("side", [32, 40, 63])
def test_pictures_are_made_smaller_as_torch_does(side):
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    wanted = F.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
    assert (shrink(images, side).float() - wanted).abs().max() <= 0.51


@pytest.fixture
def sides(monkeypatch):
    """Of the pictures of each training step, and of each batch of val."""
    trained, validated = [], []
    part_loss, step = FlowerClassifier.part_loss, FlowerClassifier.validation_step
    monkeypatch.setattr(
        FlowerClassifier,
        "part_loss",
        lambda self, part, records: trained.append(part["image"].shape[-1]) or part_loss(self, part, records),
    )
    monkeypatch.setattr(
        FlowerClassifier,
        "validation_step",
        lambda self, batch, number: validated.append(batch["image"].shape[-1]) or step(self, batch, number),
    )
    return trained, validated


def test_training_pictures_grow_and_those_of_val_do_not_also_where_a_run_goes_on(here, tiny_root, sides, monkeypatch):
    trained, validated = sides
    original, steps = FlowerClassifier.training_step, itertools.count(1)

    def training_step(self, *args):
        if next(steps) == 13:  # inside the third epoch
            raise KeyboardInterrupt
        return original(self, *args)

    flags = ["--model.first_size=32", "--model.mixup=0.2", "--trainer.max_epochs=4", "--save_every_steps=1"]
    with monkeypatch.context() as patch:
        patch.setattr(FlowerClassifier, "training_step", training_step)
        assert main(["fit", f"--data.root={tiny_root}", *TINY, *flags, "--name=cut"]) != 0
    assert trained == [32] * 10 + [64] * 2
    monkeypatch.setattr("lightning_flowers.model.growth._GRID", 8)  # the third stage is of 56 px from here on
    assert main(["fit", "--resume=runs/cut"]) == 0
    assert trained[12:] == [56] * 3 + [64] * 5
    assert set(validated) == {64}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model.first_size=64"], "--model.first_size=64: must be less than the data's 64 px"),
        (["--model.first_size=16"], "--model.first_size=16: must be 32 or more"),
        (["--model.first_size=32", "--trainer.max_epochs=1"], "--model.first_size=32: would have no effect"),
        (
            ["--model.first_size=32", "--model.freeze_backbone=true", "--data.augment=none"],
            "--model.first_size=32: would have no effect",
        ),
        (["--model.first_size=32", "--hours=1"], "--hours=1.0: counts epochs by the first ones"),
        (
            ["--model.first_size=32", "--model.schedule=starter", "--trainer.max_epochs=-1"],
            "--model.first_size=32: pictures grow over --trainer.max_epochs",
        ),
    ],
)
def test_what_cannot_be_is_refused(here, tiny_root, capsys, flags, said):
    assert main(["fit", f"--data.root={tiny_root}", *TINY, *flags]) == MISUSED
    told = capsys.readouterr()
    assert told.err.splitlines()[-1].startswith(f"lightning_flowers: {said}")
    assert "\nrun " not in told.out  # it is told of once nothing can be refused any more
    assert not list(here.iterdir())


def test_in_one_epoch_nothing_can_grow():
    with pytest.raises(UserError, match=r"first_size=32: pictures grow over --trainer.max_epochs: give 2 or more"):
        check_growth(32, 64, 1)
    check_growth(32, 64, 2)
