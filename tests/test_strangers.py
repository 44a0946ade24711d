"""Runs from elsewhere: no command runs a program that a stranger's run holds."""

import os

import pytest
import torch
import yaml

from lightning_flowers.__main__ import MISUSED, main


class Planted:
    """What makes a folder where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.fixture
def strangers(petals_root, tmp_path, monkeypatch):
    """A run whose checkpoint holds a program."""
    monkeypatch.chdir(tmp_path)
    tiny = ["--model.backbone=test_resnet", "--model.weights=none", "--data.cache=none", "--trainer.accelerator=cpu"]
    flags = ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false", f"--data.root={petals_root}"]
    assert main(["fit", *tiny, *flags]) == 0
    for name in ("best", "last"):
        path = tmp_path / f"runs/test_resnet/checkpoints/{name}.ckpt"
        torch.save({**torch.load(path, weights_only=False), "extra": Planted()}, path)
    return tmp_path / "runs/test_resnet"


def test_a_planted_checkpoint_is_refused_in_one_line(strangers, capsys):
    capsys.readouterr()
    for args in (["validate", "--run"], ["predict", "--run"], ["fit", "--trainer.max_epochs=2", "--resume"]):
        assert main([*args, str(strangers)]) == MISUSED
        err = capsys.readouterr().err
        assert "could run a program" in err
        assert len(err.splitlines()) == 1
    assert not (strangers.parents[1] / "ran").exists()


def test_a_planted_config_cannot_have_it_loaded(strangers, capsys):
    config = strangers / "config.yaml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "weights_only": False}))
    for command in ("validate", "predict"):
        assert main([command, f"--run={strangers}"]) == MISUSED
        assert "weights_only" in capsys.readouterr().err
    assert not (strangers.parents[1] / "ran").exists()
