"""What tests of a trained model in use share: a tiny run on tiny petals."""

import pytest

from lightning_flowers.__main__ import main

CPU = [
    "--report=false",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--data.threads=2",
    "--data.cache=none",
]


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory, make_petals):
    """Shards of 64 px: 4 classes, 11 val and 7 test records."""
    return make_petals(tmp_path_factory.mktemp("use") / "petals", size=64, val=11, test=7)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_root):
    """A run on them, for reading only."""
    folder = tmp_path_factory.mktemp("use_runs")
    return fit(folder, tiny_root, "tiny")


def fit(folder, root, name, *flags):
    given = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--trainer.max_epochs=1"]
    assert main(["fit", *given, *CPU, f"--data.root={root}", f"--runs_dir={folder}", f"--name={name}", *flags]) == 0
    return folder / name


def predict(run, *flags):
    assert main(["predict", f"--run={run}", *CPU, *flags]) == 0
