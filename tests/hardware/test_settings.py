import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from pytorch_lightning import Callback, Trainer

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


@pytest.fixture
def cores(monkeypatch):
    """Stands in for torch_xla, with 8 cores: whether a single one was asked for."""
    asked = []

    def take(single):
        asked.append(single)
        return SimpleNamespace(local_count=8)

    rooms = {"compiles": {"CompileWatch": list}, "runtime": {"Cores": take}}
    rooms["strategy"] = {"Accelerator": list, "XLASPMDStrategy": lambda *_: "ours"}
    for name, content in rooms.items():
        monkeypatch.setitem(sys.modules, f"lightning_flowers.hardware.xla.{name}", SimpleNamespace(**content))
    monkeypatch.setattr(settings.XLAAccelerator, "auto_device_count", lambda: 0)
    for name in ("PJRT_DEVICE", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "TPU")
    return asked


@pytest.mark.parametrize(("devices", "one"), [("auto", False), (-1, False), ("8", False), (8, False), (1, True)])
def test_one_core_or_all(cores, devices, one):
    config = settings.for_trainer(TPU | {"devices": devices, "precision": "32-true"})
    assert (cores, config["strategy"], config["devices"]) == ([one], "ours", 8)


@pytest.mark.parametrize("devices", [3, 16, [0, 1], "two"])
def test_some_of_the_cores_are_refused(cores, devices):
    with pytest.raises(UserError, match=r"--trainer.devices=.*: use 1 core, or all 8 of this host \(auto\)"):
        settings.for_trainer(TPU | {"devices": devices, "precision": "32-true"})


def test_it_is_known_whether_a_trainer_starts_further_processes(monkeypatch):
    def starts_others(**given):
        return settings.starts_others(Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **given))

    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert starts_others(devices=2, strategy="ddp")
    assert not starts_others(devices=1)
    monkeypatch.setenv("LOCAL_RANK", "1")  # as the first gives it to those that it starts
    assert not starts_others(devices=2, strategy="ddp")
