"""What tests of reports share: run folders as fit leaves them, without the training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_flowers.__main__ import main

SUMMARY = {
    "status": "finished",
    "backbone": "densenet201",
    "timm_name": "densenet201.tv_in1k",
    "parameters": 18_292_712,
    "depth": 201,
    "trainable": True,
    "epochs": 20,
    "best_epoch": 17,
    "best": {
        "epoch": 17, "val_loss": 0.25, "val_accuracy": 0.95, "val_macro_f1": 0.94, "val_macro_f1_present": 0.945,
    },
    "seconds_first_epoch": 180.0,
    "seconds_per_epoch": 60.0,
    "images_per_second": 212.55,
    "hardware": {
        "device": "core of TPU v5e", "accelerator": "XLAAccelerator", "devices": 8, "precision": "bf16-mixed",
        "compile_seconds": 120.5,
    },
    "data": {
        "root": "/kaggle/petals", "size": 512, "classes": 104,
        "records": {"train": 12753, "val": 3712, "test": 7382}, "fingerprints": {"train": "t", "val": "v", "test": "x"},
        "train_on": "train", "folds": None, "fold": None, "external": False, "bad_records": {},
    },
    "seed": 0,
}  # fmt: skip


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's folder: `make_run("a", seed=1, data={"size": 224}, settings={"lr": 0.1})`."""

    def make(name: str, settings: dict[str, Any] | None = None, **changes: Any) -> Path:
        summary: dict[str, Any] = json.loads(json.dumps(SUMMARY))
        for key, value in changes.items():
            merge = isinstance(value, dict) and isinstance(summary.get(key), dict)
            summary[key] = summary[key] | value if merge else value
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        (path / "summary.json").write_text(json.dumps(summary), "utf-8")
        config = {
            "seed_everything": summary["seed"],
            "trainer": {"max_epochs": 20},
            "model": {"backbone": summary["backbone"], **(settings or {})},
            "data": {"root": f"/somewhere/{name}", "batch_size": 128},
        }
        (path / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        return path

    return make


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `compare ...` as a user would; gives the exit status, what was printed, and what was said on stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["compare", *map(str, args)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def tables() -> Callable[[str], list[list[dict[str, str]]]]:
    """Read the tables of a Markdown text: of each its rows, as cells by their headings."""

    def read(markdown: str) -> list[list[dict[str, str]]]:
        blocks = [block.splitlines() for block in markdown.split("\n\n") if block.startswith("|")]
        split = [[[cell.strip() for cell in line.strip("|").split(" | ")] for line in block] for block in blocks]
        return [[dict(zip(header, row, strict=True)) for row in rows] for header, _, *rows in split]

    return read
