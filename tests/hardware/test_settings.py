import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.hardware import settings

TPU = {"accelerator": "tpu", "strategy": "auto", "devices": "auto", "num_nodes": 1, "callbacks": None}


def test_other_hardware_keeps_what_was_asked_for():
    asked = {"accelerator": "cpu", "strategy": "ddp", "devices": 2, "callbacks": None}
    assert {**settings.for_trainer(asked), "callbacks": None} == asked


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategy": "ddp"}, "--trainer.strategy=ddp: on a TPU it is auto, xla_spmd or xla"),
        ({"num_nodes": 2}, "--trainer.num_nodes: on TPU hosts leave it out"),
    ],
)
def test_what_cannot_be_on_a_tpu_is_refused(given, message):
    with pytest.raises(UserError, match=message):
        settings.for_trainer(TPU | given)


def test_lightnings_own_strategy_is_refused_where_it_loses_the_weights(monkeypatch):
    monkeypatch.setattr(settings, "needs_threads", lambda: True)
    with pytest.raises(UserError, match=r"v2 and v3 chips.*gives back the weights it began with: use xla_spmd"):
        settings.for_trainer(TPU | {"strategy": "xla"})


def test_lightnings_own_strategy_can_be_chosen_on_other_chips(monkeypatch):
    monkeypatch.setattr(settings, "needs_threads", lambda: False)
    monkeypatch.setattr(settings, "rehearses", lambda: False)
    assert settings.for_trainer(TPU | {"strategy": "xla"})["strategy"] == "xla"


@pytest.mark.parametrize(("asked", "devices"), [("auto", 8), (-1, 8), ("-1", 8), (8, 8), ("8", 8), (1, 1), ("1", 1)])
def test_one_core_or_all(asked, devices):
    assert settings._devices(asked, 8) == devices


@pytest.mark.parametrize("asked", [3, 16, [0, 1], "two"])
def test_some_of_the_cores_are_refused(asked):
    with pytest.raises(UserError, match=r"--trainer.devices=.*: use 1 core, or all 8 of this host \(auto\)"):
        settings._devices(asked, 8)
