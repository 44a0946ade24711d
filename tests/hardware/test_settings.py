from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from pytorch_lightning import Callback

from lightning_flowers.errors import UserError
from lightning_flowers.hardware import settings

TPU = {"accelerator": "tpu", "strategy": "auto", "devices": "auto", "num_nodes": 1, "callbacks": None}


def test_other_hardware_keeps_what_was_asked_for():
    asked = {"accelerator": "cpu", "strategy": "ddp", "devices": 2, "callbacks": None}
    assert {**settings.for_trainer(asked), "callbacks": None} == asked


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategy": "ddp"}, "--trainer.strategy=ddp: on a TPU it is auto or xla_spmd"),
        ({"num_nodes": 2}, "--trainer.num_nodes: on TPU hosts leave it out"),
    ],
)
def test_what_cannot_be_on_a_tpu_is_refused(given, message):
    with pytest.raises(UserError, match=message):
        settings.for_trainer(TPU | given)


@pytest.mark.parametrize("callbacks", [None, [], Callback(), [Callback()]])
def test_a_single_callback_is_a_list_of_one(callbacks):
    given = settings.for_trainer({"accelerator": "cpu", "callbacks": callbacks})["callbacks"]
    assert len(given) == (1 if callbacks else 0)


def test_lightnings_own_strategy_is_refused_with_the_reason():
    with pytest.raises(UserError, match=r"--trainer.strategy=xla: .* the weights it began with: use xla_spmd"):
        settings.for_trainer(TPU | {"strategy": "xla"})


def test_a_trainer_of_one_s_own_must_have_our_strategy_on_a_tpu():
    lightnings, ours = (SimpleNamespace(root_device=torch.device("xla:0"), **more) for more in ({}, {"cores": 8}))
    settings.check_trainer(cast(Any, SimpleNamespace(strategy=ours, precision="32-true")))
    with pytest.raises(UserError, match="use xla_spmd, as fit does"):
        settings.check_trainer(cast(Any, SimpleNamespace(strategy=lightnings)))


@pytest.mark.parametrize(
    ("asked", "there", "one"),
    [
        ("auto", 8, False),
        (-1, 8, False),
        ("-1", 0, False),
        (8, 8, False),
        ("8", 8, False),
        (1, 8, True),
        ("1", 0, True),
    ],
)
def test_one_core_or_all(asked, there, one):
    assert settings._takes_one(asked, there) == one


@pytest.mark.parametrize(("asked", "there"), [(3, 8), (16, 8), ([0, 1], 8), ("two", 8), (8, 0)])
def test_some_of_the_cores_are_refused(asked, there):
    with pytest.raises(UserError, match=r"--trainer.devices=.*: use 1 core, or all .* of this host \(auto\)"):
        settings._takes_one(asked, there)
