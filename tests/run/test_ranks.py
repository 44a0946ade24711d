"""Several processes of one run, on disks of their own."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from pytorch_lightning import LightningModule

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.ranks import RankCheck

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
def test_two_nodes_without_a_common_disk_leave_one_run_on_the_first(tmp_path, petals_root):
    homes = [tmp_path / "first", tmp_path / "second"]
    for home in homes:
        home.mkdir()
    results = fit(homes, f"--data.root={petals_root}")
    assert [status for status, _ in results] == [0, 0], results
    assert [path.name for path in (homes[0] / "runs").iterdir()] == ["test_resnet"]
    assert {"config.yaml", "summary.json", "submission.csv"} <= {path.name for path in tmp_path.glob("first/runs/*/*")}
    assert not list(tmp_path.glob("first/runs/*/.*"))
    assert not list(homes[1].iterdir())


@pytest.fixture
def two(monkeypatch):
    """A Trainer of two processes, of which the second has what `two.second` says in place of what the first has."""
    trainer = SimpleNamespace(world_size=2, is_global_zero=True, second=[])
    trainer.strategy = SimpleNamespace(broadcast=lambda value: value, barrier=lambda: None)
    monkeypatch.setattr(hardware, "gather", lambda mine: [mine, trainer.second.pop(0) if trainer.second else mine])
    return trainer


def set_up(trainer, data, folder=None):
    RankCheck(data, folder, lambda path: None).setup(trainer, LightningModule(), "fit")


def test_other_records_are_refused(two, petals_root, make_petals, tmp_path):
    data, other = PetalsDataModule(str(petals_root)), PetalsDataModule(str(make_petals(tmp_path / "other", train=39)))
    data.setup("fit")
    other.setup("fit")
    two.second = [{name: split.fingerprint for name, split in other.splits.items()}]
    with pytest.raises(UserError, match=r"process 1 of 2 .* opened other records"):
        set_up(two, data)
    set_up(two, data)


@pytest.mark.parametrize("seen", [True, False])
def test_a_folder_on_the_disk_of_the_first_alone_is_told_of(two, petals_root, tmp_path, capsys, seen):
    two.second = [{}, ("node-b", seen)]
    set_up(two, PetalsDataModule(str(petals_root)), RunFolder(tmp_path))
    assert ("process 1 (node-b) does not see it" in capsys.readouterr().out) is not seen
    assert not list(tmp_path.iterdir())
