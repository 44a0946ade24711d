"""Several processes of one run, on disks of their own."""

import json
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from pytorch_lightning import LightningModule

from lightning_flowers import hardware
from lightning_flowers.__main__ import main
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.ranks import Ranks
from lightning_flowers.run.results import read_run

FLAGS = [
    "--model.backbone=test_resnet", "--model.weights=none", "--model.freeze_backbone=true",
    "--data.batch_size=8", "--data.threads=1", "--data.cache=none", "--report=false", "--name=mine",
    "--trainer.accelerator=cpu", "--trainer.max_epochs=2", "--save_every_steps=2",
]  # fmt: skip
NODES = ["--trainer.devices=1", "--trainer.num_nodes=2", "--trainer.strategy=ddp"]
# Notes the records of each step; the second process kills itself at its ninth step, of five an epoch.
DRIVER = """
import json, os, signal, sys
from itertools import count
from lightning_flowers.__main__ import main
from lightning_flowers.model.classifier import FlowerClassifier

rank, attempt, steps = os.environ["RANK"], len(os.listdir("steps")), count(1)
original = FlowerClassifier.training_step

def training_step(self, batch, *args):
    if (rank, attempt, next(steps)) == ("1", 0, 9):
        os.kill(os.getpid(), signal.SIGKILL)
    with open(f"steps/{attempt}", "a") as log:
        log.write(json.dumps(batch["index"][batch["mask"]].tolist()) + "\\n")
    return original(self, batch, *args)

FlowerClassifier.training_step = training_step
sys.exit(main(sys.argv[1:]))
"""


def torchrun(homes, *flags):
    """Two nodes of torchrun, each with an address and a folder of its own; gives what each has printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--max-restarts=1"]
    launcher += ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=nodes"]
    nodes = [
        subprocess.Popen(
            [*launcher, f"--local-addr=127.0.0.{number}", "driver.py", "fit", *FLAGS, *NODES, *flags],
            cwd=home,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, home in enumerate(homes, start=1)
    ]
    try:
        printed = [node.communicate(timeout=300)[0] for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], printed
    return printed


def seen(home):
    """The records of each step of the first and of the second launch."""
    logs = [home / "steps" / str(attempt) for attempt in (0, 1)]
    return [[json.loads(line) for line in log.read_text().splitlines()] for log in logs]


@pytest.mark.slow
def test_a_killed_node_without_a_common_disk_goes_on_and_leaves_the_run_of_one_process(tmp_path, petals_root):
    """For real: SIGKILL in the second epoch; torchrun starts all processes again."""
    homes = [tmp_path / "first", tmp_path / "second"]
    for home in homes:
        (home / "steps").mkdir(parents=True)
        (home / "driver.py").write_text(DRIVER)
    printed = torchrun(homes, f"--data.root={petals_root}")
    assert printed[0].count("restarted  torchrun nodes: goes on with runs/mine") == 1
    assert [path.name for path in (homes[0] / "runs").iterdir()] == ["mine"]
    assert not (homes[1] / "runs").exists()
    for epoch in (0, 1):  # of the second, two steps were saved before the kill
        ids = []
        for first, again in map(seen, homes):
            ids += [record for step in (first[:5] if epoch == 0 else first[5:7] + again) for record in step]
        assert sorted(ids) == list(range(40))
    alone = [*FLAGS, f"--data.root={petals_root}", f"--runs_dir={tmp_path / 'alone'}"]
    assert main(["fit", *alone, "--trainer.enable_progress_bar=false"]) == 0
    one, two = (read_run(runs / "mine") for runs in (tmp_path / "alone", homes[0] / "runs"))
    for ours, theirs in zip(two.history, one.history, strict=True):
        assert (ours.train_loss, ours.val_loss) == pytest.approx((theirs.train_loss, theirs.val_loss), rel=1e-4)
    for split in ("val", "test"):
        ours, theirs = (Predictions.load(run.path / f"predictions/{split}.npz") for run in (two, one))
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-5)
    assert (homes[0] / "runs/mine/submission.csv").is_file()


@pytest.fixture
def two(monkeypatch):
    """A Trainer of two processes, of which the second has what `two.second` says in place of what the first has."""
    trainer = SimpleNamespace(world_size=2, is_global_zero=True, second=[])
    monkeypatch.setattr(hardware, "gather", lambda mine: [mine, trainer.second.pop(0) if trainer.second else mine])
    return trainer


def set_up(trainer, data):
    ranks = Ranks(data)
    ranks.setup(trainer, LightningModule(), "fit")
    return ranks


def test_other_records_are_refused(two, petals_root, make_petals, tmp_path):
    data, other = PetalsDataModule(str(petals_root)), PetalsDataModule(str(make_petals(tmp_path / "other", train=39)))
    data.setup("fit")
    other.setup("fit")
    two.second = [{name: split.fingerprint for name, split in other.splits.items()}]
    with pytest.raises(UserError, match=r"process 1 of 2 .* opened other records"):
        set_up(two, data)
    ranks = set_up(two, data)
    two.second = [{}]  # by the end one process may have opened shards of a URL that another never read
    ranks.setup(two, LightningModule(), "predict")
