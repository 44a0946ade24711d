"""Processes of one run find out before they train whether they can be one."""

import os
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import LightningModule

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.ranks import RankCheck, _contents

FLAGS = [
    "--model.backbone=test_resnet",
    "--model.weights=none",
    "--data.batch_size=8",
    "--data.threads=1",
    "--data.cache=none",
    "--report=false",
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--trainer.devices=1",
    "--trainer.num_nodes=2",
    "--trainer.strategy=ddp",
]


def fit(homes, *flags):
    """Run two nodes as torchrun starts them, each from a folder of its own; gives (status, errors) of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    common |= {"TORCHELASTIC_RUN_ID": "nodes", "OMP_NUM_THREADS": "1"}
    nodes = [
        subprocess.Popen(
            [sys.executable, "-m", "lightning_flowers", "fit", *FLAGS, *flags],
            cwd=home,
            env={**os.environ, **common, "RANK": str(rank), "GROUP_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, home in enumerate(homes)
    ]
    errors = [node.communicate(timeout=300)[1] for node in nodes]
    return [(node.returncode, text) for node, text in zip(nodes, errors, strict=True)]


@pytest.mark.slow
def test_two_nodes_without_a_common_disk_are_told_before_they_train(tmp_path, petals_root):
    homes = [tmp_path / "first", tmp_path / "second"]
    for home in homes:
        home.mkdir()
    for status, err in fit(homes, f"--data.root={petals_root}"):
        assert status == 2
        assert "runs/test_resnet: process 1 of 2" in err.splitlines()[-1]
        assert "--runs_dir" in err.splitlines()[-1]
        assert "Traceback" not in err
    assert [list(home.iterdir()) for home in homes] == [[], []]


@pytest.mark.slow
def test_two_nodes_with_a_common_disk_leave_one_run(tmp_path, petals_root):
    results = fit([tmp_path, tmp_path], f"--data.root={petals_root}")
    assert [status for status, _ in results] == [0, 0], results
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["test_resnet"]
    assert {"config.yaml", "summary.json", "submission.csv"} <= {path.name for path in tmp_path.glob("runs/*/*")}
    assert not list(tmp_path.glob("runs/*/.*"))


@pytest.fixture
def two(monkeypatch):
    """A Trainer of two processes, of which the second has what `two.second` says in place of what the first has."""
    trainer = SimpleNamespace(world_size=2, is_global_zero=True, second=[])
    trainer.strategy = SimpleNamespace(broadcast=lambda value: value, barrier=lambda: None)
    monkeypatch.setattr(hardware, "gather", lambda mine: [mine, trainer.second.pop(0) if trainer.second else mine])
    return trainer


def set_up(trainer, data, checkpoint=None, folder=None):
    RankCheck(data, checkpoint, folder, lambda path: None).setup(trainer, LightningModule(), "fit")


def test_other_records_are_refused(two, petals_root, make_petals, tmp_path):
    data, other = PetalsDataModule(str(petals_root)), PetalsDataModule(str(make_petals(tmp_path / "other", train=39)))
    data.setup("fit")
    other.setup("fit")
    two.second = [{name: split.fingerprint for name, split in other.splits.items()}]
    with pytest.raises(UserError, match=r"process 1 of 2 .* opened other records"):
        set_up(two, data)
    set_up(two, data)


def test_another_checkpoint_is_refused(two, petals_root, tmp_path):
    paths = [str(tmp_path / name) for name in ("a.ckpt", "b.ckpt", "copy.ckpt")]
    torch.save({"weight": torch.zeros(3)}, paths[0])
    torch.save({"weight": torch.ones(3)}, paths[1])
    shutil.copyfile(paths[0], paths[2])
    assert _contents(paths[0]) == _contents(paths[2])
    data = PetalsDataModule(str(petals_root))
    two.second = [{}, _contents(paths[1])]
    with pytest.raises(UserError, match="another checkpoint"):
        set_up(two, data, paths[0])


def test_nothing_is_left_in_a_folder_that_is_shared(two, petals_root, tmp_path):
    set_up(two, PetalsDataModule(str(petals_root)), folder=RunFolder(tmp_path))
    assert not list(tmp_path.iterdir())
