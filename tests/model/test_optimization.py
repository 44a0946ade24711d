import copy
from typing import Any

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay  # pyright: ignore[reportPrivateImportUsage]

from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier

SMALL = {"backbone": "test_resnet", "weights": "none", "num_classes": 4, "schedule": "starter", "lr": 0.01}


def optimizer_of(model):
    (optimizer,), _ = model.configure_optimizers()
    return optimizer


def step(model, optimizer):
    model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_adam_is_torchs_own_with_its_defaults(name, kind):
    model = FlowerClassifier(**SMALL, optimizer=name, weight_decay=0.03)
    optimizer = optimizer_of(model)
    wanted = kind(model.parameters(), lr=0.01, weight_decay=0.03)
    assert type(optimizer) is kind
    assert optimizer.defaults == wanted.defaults
    assert [group["params"] for group in optimizer.param_groups] == [group["params"] for group in wanted.param_groups]


@pytest.mark.parametrize("name", ["sgd", "lion", "muon", "adafactor"])
def test_an_optimizer_of_timms_trains_by_its_name(name):
    model = FlowerClassifier(**SMALL, optimizer=name)
    before = copy.deepcopy(model.state_dict())
    optimizer = optimizer_of(model)
    step(model, optimizer)
    assert type(optimizer).__name__.lower().startswith(name)
    weight = "backbone.conv1.weight" if "backbone.conv1.weight" in before else next(iter(before))
    assert not torch.equal(model.state_dict()[weight], before[weight])
    assert all(tensor.isfinite().all() for tensor in model.parameters())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("adamv", r"timm has no such optimizer: did you mean adam "),
        ("zzz", r"timm has no such optimizer: use one of adamw, adam"),
        ("adahessian", r"needs second derivatives"),
    ],
)
def test_an_optimizer_that_cannot_be_is_named(name, why):
    with pytest.raises(UserError, match=rf"--model\.optimizer={name}: {why}"):
        FlowerClassifier(**SMALL, optimizer=name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="it may be there")
def test_an_optimizer_that_this_machine_lacks_is_named_and_its_checkpoints_load():
    model = FlowerClassifier(**SMALL, optimizer="bnbadam")
    with pytest.raises(UserError, match=r"--model\.optimizer=bnbadam: cannot be had here: .+"):
        model.configure_optimizers()


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "tf_efficientnet_lite0", "densenet121", "pit_ti_224"])
def test_each_layer_has_the_rate_that_timm_gives_it(backbone):
    model = FlowerClassifier(**{**SMALL, "backbone": backbone}, layer_decay=0.5, weight_decay=0.1)
    groups = optimizer_of(model).param_groups
    assert all(group["initial_lr"] == 0.01 * group["lr_scale"] for group in groups)
    rates = {id(each): (group["lr_scale"], group["weight_decay"]) for group in groups for each in group["params"]}
    own = {name: rates[id(parameter)] for name, parameter in model.backbone.named_parameters()}
    assert {rates[id(each)][0] for each in model.head.parameters()} == {1.0}

    whole: Any = timm.create_model(backbone, num_classes=4)  # with a classifier of timm's
    exempt = whole.no_weight_decay() if hasattr(whole, "no_weight_decay") else ()
    theirs = param_groups_layer_decay(whole, 0.1, exempt, layer_decay=0.5)
    by_id = {id(each): (group["lr_scale"], group["weight_decay"]) for group in theirs for each in group["params"]}
    wanted = {name: by_id[id(parameter)] for name, parameter in whole.named_parameters()}
    assert own == {name: wanted[name] for name in own}
    assert len(set(own.values())) > 2


def test_the_schedule_moves_all_rates_by_one_factor():
    model = FlowerClassifier(**SMALL, layer_decay=0.5)
    (optimizer,), (schedule,) = model.configure_optimizers()
    for _ in range(5):
        optimizer.step()
        schedule["scheduler"].step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
        [0.01 * group["lr_scale"] for group in optimizer.param_groups]
    )


def test_a_resumed_run_s_new_rate_and_decay_reach_each_group_by_its_share():
    model = FlowerClassifier(**SMALL, layer_decay=0.5, weight_decay=0.0)
    (optimizer,), (schedule,) = model.configure_optimizers()
    saved = {"optimizer_states": [optimizer.state_dict()], "lr_schedulers": [schedule["scheduler"].state_dict()]}
    FlowerClassifier(**{**SMALL, "lr": 0.02}, layer_decay=0.5, weight_decay=0.1).optimization.override(saved, None)
    for group, was in zip(saved["optimizer_states"][0]["param_groups"], optimizer.param_groups, strict=True):
        assert group["initial_lr"] == 2 * was["initial_lr"]
        assert group["lr"] == pytest.approx(2 * was["lr"])
        assert group["weight_decay"] == 0.1 * was["decay_scale"]
    assert saved["lr_schedulers"][0]["base_lrs"] == [0.02 * group["lr_scale"] for group in optimizer.param_groups]


@pytest.mark.parametrize("value", [0.0, 1.5, float("nan")])
def test_a_decay_out_of_range_is_named(value):
    with pytest.raises(UserError, match=r"--model\.layer_decay=.*: must be above 0, at most 1"):
        FlowerClassifier(**SMALL, layer_decay=value)
