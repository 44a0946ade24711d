import json

import pytest
from pytorch_lightning import Trainer

from lightning_flowers import hardware
from lightning_flowers.__main__ import main
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:It is recommended to use .self.log")  # our sums are over all processes already
def test_a_fit_in_forked_processes_leaves_its_history_and_says_how_to_predict(
    petals_root, tmp_path, monkeypatch, capsys
):
    """As Lightning's strategy `xla` does on a TPU; here its strategy for CPUs stands in."""
    monkeypatch.setattr(hardware, "check_launcher", lambda *args: None)
    run = tmp_path / "forked"
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--data.cache=none", "--trainer.max_epochs=2"]
    where = [f"--data.root={petals_root}", f"--runs_dir={tmp_path}", "--name=forked", "--trainer.accelerator=cpu"]
    assert main(["fit", *flags, *where, "--trainer.strategy=ddp_fork", "--trainer.devices=1"]) == 0
    assert f"predict --run {run} --trainer.strategy=auto" in capsys.readouterr().out
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["epochs"] == 2
    assert summary["best"]["val_macro_f1"] >= 0
    assert main(["predict", f"--run={run}", "--trainer.strategy=auto", "--trainer.accelerator=cpu"]) == 0
    assert (run / "submission.csv").is_file()


@pytest.mark.parametrize(("asked", "fits", "mend"), [("ddp_fork", True, "use ddp"), ("xla", False, "use auto")])
def test_forked_processes_are_refused_where_what_they_find_would_be_lost(monkeypatch, asked, fits, mend):
    monkeypatch.setattr(settings, "forks", lambda trainer: True)
    with pytest.raises(UserError, match=f"--trainer.strategy={asked}: forked or spawned .*: {mend}"):
        settings.check_launcher(Trainer(accelerator="cpu", logger=False), asked, fits)
    settings.check_launcher(Trainer(accelerator="cpu", logger=False), "xla", True)
