"""What tests of blends share: folders of runs with predictions, without the training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lightning_flowers.__main__ import main
from lightning_flowers.ensemble import cli
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions

CLASSES, VAL, TEST = 4, 80, 9
LABELS = np.arange(VAL) * 7 % CLASSES
SHARES = np.array([0.5, 0.25, 0.15, 0.1])
SKEWED = np.random.default_rng(0).choice(CLASSES, VAL, p=SHARES)


def guesses(seed: int, labels: NDArray[np.int64], strength: float = 1.0) -> NDArray[np.float32]:
    """Probabilities of a model that knows the labels so far."""
    rng = np.random.default_rng(seed)
    logits = strength * np.eye(CLASSES)[labels] + rng.normal(0, 1, (len(labels), CLASSES))
    return torch.softmax(torch.tensor(logits), 1).numpy().astype(np.float32)


def biased(seed: int, strength: float = 0.7) -> Predictions:
    """Of val records whose classes differ in size, by a model that holds the rare ones for rarer than they are."""
    shifted = guesses(seed, SKEWED, strength) * SHARES.astype(np.float32)
    ids = np.array([f"val{position:04d}" for position in range(VAL)])
    return Predictions(ids, shifted / shifted.sum(1, keepdims=True), SKEWED)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's folder: `make_run("a", seed=1, strength=2.0, data={"external": True}, test=False)`.

    Its predictions are those of `guesses`, of 80 val and 9 test records (named as the tiny petals' are).
    """

    def make(
        name: str,
        seed: int = 0,
        strength: float = 1.0,
        data: dict[str, Any] | None = None,
        test: bool = True,
        val: Predictions | None = None,
        status: str = "finished",
    ) -> Path:
        folder = RunFolder(tmp_path / "runs" / name)
        folder.make()
        known = {
            "root": str(tmp_path / "gone"),
            "size": 32,
            "classes": CLASSES,
            "class_names": [f"flower {label}" for label in range(CLASSES)],
            "records": {"train": 40, "val": VAL, "test": TEST},
            "fingerprints": {"train": "t", "val": "v", "test": "x"},
            "train_on": "train",
            "external": False,
        }
        best = {"epoch": 2, "val_macro_f1": 0.5, "val_accuracy": 0.5, "val_loss": 1.0}
        folder.write_summary(
            {"status": status, "backbone": "test_resnet", "best": best, "epochs": 2, "data": known | (data or {})}
        )
        external = bool((data or {}).get("external"))
        ids = np.array([f"val{position:04d}" for position in range(VAL)])
        val = val or Predictions(ids, guesses(seed, LABELS, strength), LABELS, external)
        val.save(folder.predictions("val"))
        if test:
            unknown = np.arange(TEST) % CLASSES
            ids = np.array([f"test{position:04d}" for position in range(TEST)])
            Predictions(ids, guesses(seed + 99, unknown, strength), None, external).save(folder.predictions("test"))
        return folder.path

    return make


@pytest.fixture
def ensemble(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run `ensemble ...` as a user would, in a folder of its own; gives exit status, stdout and stderr.

    A page, which takes longer to draw than all else, is left only where `page` asks for it.
    """

    def run(*args: object, page: bool = False) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        if not page:
            monkeypatch.setattr(cli, "leave_report", lambda path: "left out")
        capsys.readouterr()
        status = main(["ensemble", *map(str, args)])
        out, err = capsys.readouterr()
        return status, out, err

    return run
