from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_flowers.batch import Batch
from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.layers import build_head

SMALL = {"backbone": "test_resnet", "weights": "none", "num_classes": 4}


def pictures(batch=4, size=32):
    return torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def batch_of(label, mask):
    index = torch.arange(len(label))
    return Batch(image=pictures(len(label)), label=torch.tensor(label), index=index, mask=torch.tensor(mask))


def last_layer(model) -> torch.nn.Linear:
    return model.head[-1]


def test_pictures_are_normalised_with_the_backbones_own_mean_and_std():
    model = FlowerClassifier(**SMALL).eval()
    config = model.backbone.pretrained_cfg
    image = pictures()
    mean, std = (torch.tensor(config[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        wanted = model.backbone((image / 255 - mean) / std)
        torch.testing.assert_close(model.features(image), wanted, rtol=1e-4, atol=1e-5)


def test_the_head_has_the_dense_layers_asked_for():
    head = build_head(8, (16, 12), 0.5, 4)
    kinds = [type(layer).__name__ for layer in head]
    assert kinds == ["Dropout", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert head(torch.zeros(3, 8)).shape == (3, 4)


def test_padding_counts_neither_in_the_loss_nor_in_its_gradient():
    model = FlowerClassifier(**SMALL, label_smoothing=0.0).eval()  # eval: BatchNorm must not mix the rows
    whole = model.training_step(batch_of([0, 1, 2, -1], [True, True, True, False]), 0)
    wanted = torch.nn.functional.cross_entropy(model(pictures(4))[:3], torch.tensor([0, 1, 2]))
    torch.testing.assert_close(whole, wanted)
    whole.backward()
    gradient = last_layer(model).weight.grad
    assert gradient is not None
    model.zero_grad()
    wanted.backward()
    torch.testing.assert_close(gradient, last_layer(model).weight.grad)


def test_a_batch_of_padding_alone_has_no_loss():
    model = FlowerClassifier(**SMALL).eval()
    assert model.training_step(batch_of([-1, -1], [False, False]), 0) == 0


def test_hosts_of_a_tpu_which_all_have_the_global_batch_do_not_divide_its_loss_among_them():
    model = FlowerClassifier(**SMALL).eval()
    batch = batch_of([0, 1, 2, -1], [True, True, True, False])
    alone = model.training_step(batch, 0)
    trainer: Any = SimpleNamespace(world_size=2, strategy=SimpleNamespace(counts_all=True))
    model._trainer = trainer
    torch.testing.assert_close(model.training_step(batch, 0), alone)


def test_a_frozen_backbone_stays_as_it_was():
    model = FlowerClassifier(**SMALL, freeze_backbone=True, optimizer="adam", schedule="starter").train()
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    head = last_layer(model).weight.clone()
    assert " 0.0 M of them trained" not in model.describe()
    (optimizer,), _ = model.configure_optimizers()
    model.training_step(batch_of([0, 1, 2, 3], [True] * 4), 0).backward()
    optimizer.step()
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, before[name]), name  # BatchNorm's running statistics among them
    assert not torch.equal(last_layer(model).weight, head)
    assert all(parameter.grad is None for parameter in model.backbone.parameters())


def test_a_trainable_backbone_is_trained():
    model = FlowerClassifier(**SMALL).train()
    model.training_step(batch_of([0, 1, 2, 3], [True] * 4), 0).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_probabilities_are_float32_and_sum_to_one():
    model = FlowerClassifier(**SMALL).eval()
    with torch.no_grad():
        out = model.predict_step(batch_of([0, 1, -1], [True, True, False]), 0)
    assert out["probabilities"].dtype == torch.float32
    torch.testing.assert_close(out["probabilities"].sum(1), torch.ones(3))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lr", 0.0),
        ("dropout", 1.0),
        ("label_smoothing", -0.1),
        ("warmup_epochs", -1.0),
        ("hidden", (16, 0)),
        ("hidden", (6.5,)),
        ("hidden", ("16",)),
        ("num_classes", 0),
        ("num_classes", -3),
        ("loss", "focl"),
        ("grad_checkpointing", "maybe"),
    ],
)
def test_a_setting_out_of_range_is_named(setting, value):
    with pytest.raises(UserError, match=rf"--model\.{setting}="):
        FlowerClassifier(**{**SMALL, setting: value})


@pytest.mark.parametrize("schedule", ["starter"])
def test_the_starter_schedule_sets_the_learning_rate_of_each_epoch(schedule):
    model = FlowerClassifier(**SMALL, optimizer="adam", lr=4e-4, schedule=schedule)
    (optimizer,), (scheduler,) = model.configure_optimizers()
    rates = []
    for _ in range(7):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler["scheduler"].step()
    assert scheduler["interval"] == "epoch"
    assert rates == pytest.approx([1e-5, 8.8e-5, 1.66e-4, 2.44e-4, 3.22e-4, 4e-4, 3.22e-4])


def test_any_timm_model_gives_features_that_fit_the_head():
    for name in ("mobilenetv3_small_050", "test_vit", "test_convnext"):
        size = 160 if name == "test_vit" else 64
        model = FlowerClassifier(backbone=name, weights="none", num_classes=4).eval()
        with torch.no_grad():
            assert model(pictures(2, size)).shape == (2, 4), name


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_mixed_picture_s_loss_weighs_both_labels(kind):
    model = FlowerClassifier(**{**SMALL, kind: 1.0}).eval()
    assert model.mixing
    batch = batch_of([0, 1, 2, 3], [True] * 4)
    torch.manual_seed(0)
    loss = model.training_step(batch, 0)
    torch.manual_seed(0)
    mixed: Any = model.mixing(batch)
    log = torch.nn.functional.log_softmax(model(mixed["image"]), 1)
    smooth = 0.1 * log.mean(1)
    sides = (mixed["label"], mixed["other_label"])
    major, minor = (0.9 * log.gather(1, label[:, None])[:, 0] + smooth for label in sides)
    torch.testing.assert_close(loss, -(mixed["weight"] * major + (1 - mixed["weight"]) * minor).mean())
    confusion = model.train_counts.confusion.reshape(4, 4)
    assert torch.equal(confusion.sum(1), mixed["label"].bincount(minlength=4))


def test_pictures_are_mixed_in_training_only():
    model = FlowerClassifier(**SMALL, mixup=1.0, cutmix=1.0).eval()
    plain = FlowerClassifier(**SMALL).eval()
    assert not plain.mixing
    plain.load_state_dict(model.state_dict())
    batch = batch_of([0, 1, 2, 3], [True] * 4)
    for one in (model, plain):
        one.validation_step(batch, 0)
    assert torch.equal(model.eval_counts.loss, plain.eval_counts.loss)
    assert model.training_step(batch, 0) != plain.training_step(batch, 0)


def test_padding_has_no_part_in_a_mixed_loss():
    model = FlowerClassifier(**SMALL, mixup=1.0).eval()
    losses = []
    for value in (0, 255):
        batch = batch_of([0, 1, 2, -1], [True, True, True, False])
        batch["image"][3] = value
        torch.manual_seed(0)
        losses.append(model.training_step(batch, 0))
    torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize(("setting", "value"), [("mixup", -1.0), ("cutmix", -0.5), ("mixup", float("inf"))])
def test_an_alpha_out_of_range_is_named(setting, value):
    with pytest.raises(UserError, match=rf"--model\.{setting}={value}: must be 0 \(off\), or 1e-06 or more"):
        FlowerClassifier(**{**SMALL, setting: value})
