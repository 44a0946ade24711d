"""What tests of the report share: run folders with val predictions as a model makes them, without the training."""

import json
import runpy
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lightning_flowers.__main__ import main
from lightning_flowers.run.predictions import Predictions

SUMMARY: dict[str, Any] = {
    "status": "finished",
    "backbone": "densenet201",
    "timm_name": "densenet201.tv_in1k",
    "parameters": 18_292_712,
    "trainable": True,
    "seed": 0,
    "hardware": {"device": "TPU v5e", "accelerator": "XLAAccelerator", "devices": 8, "precision": "bf16-mixed"},
    "versions": {"python": "3.12.1", "torch": "2.9.1"},
    "data": {
        "size": 32, "classes": 4, "class_names": [f"flower {label}" for label in range(4)],
        "records": {"train": 40, "val": 12}, "fingerprints": {"train": "0a1b", "val": "2c3d"},
        "train_on": "train", "external": False, "bad_records": {},
    },
}  # fmt: skip
METRICS = """\
epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_macro_f1,val_macro_f1_present,learning_rate,seconds,images_per_second
1,2.5,0.3,2.0,0.3,0.25,0.25,0.001,90,10
2,1.5,0.6,1.0,0.8,0.75,0.75,0.0005,30,20
3,1.0,0.7,1.1,0.7,0.65,0.65,0.0001,40,30
"""


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """Write a run's folder: `write_run(path, predictions=None, data={"root": "..."}, status="running")`; gives it."""
    return _write_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's folder by its name: `make_run("a", predictions, status="running")`."""

    def make(name: str = "run", predictions: Predictions | None = None, **changes: Any) -> Path:
        return _write_run(tmp_path / "runs" / name, predictions, **changes)

    return make


def _write_run(
    path: Path, predictions: Predictions | None = None, metrics: str | None = METRICS, **changes: Any
) -> Path:
    summary = json.loads(json.dumps(SUMMARY))
    for key, value in changes.items():
        merge = isinstance(value, dict) and isinstance(summary.get(key), dict)
        summary[key] = summary[key] | value if merge else value
    path.mkdir(parents=True)
    (path / "summary.json").write_text(json.dumps(summary), "utf-8")
    config = {"seed_everything": 0, "trainer": {"max_epochs": 3}, "model": {"backbone": summary["backbone"]}}
    (path / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    if metrics is not None:
        (path / "metrics.csv").write_text(metrics, "utf-8")
    if predictions is not None:
        predictions.save(path / "predictions" / "val.npz")
    return path


@pytest.fixture(scope="session")
def fit(petals_root: Path) -> Callable[[Path], Path]:
    """Train for two epochs on tiny petals, a run's folder in the given one; gives it."""

    def run(runs: Path) -> Path:
        model = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8"]
        trainer = ["--trainer.accelerator=cpu", "--trainer.max_epochs=2", "--trainer.enable_progress_bar=false"]
        place = [f"--runs_dir={runs}", "--name=tiny", f"--data.root={petals_root}"]
        assert main(["fit", *model, *trainer, *place]) == 0
        return runs / "tiny"

    return run


@pytest.fixture(scope="session")
def predict() -> Callable[..., Predictions]:
    """Predictions as a model makes them: `predict(records=12, classes=4, seed=0, sure=2.0)`."""
    return make_predictions


def make_predictions(records: int = 12, classes: int = 4, seed: int = 0, sure: float = 2.0) -> Predictions:
    """Too sure of themselves, right more often than not, with labels that are wrong now and then."""
    rng = np.random.default_rng(seed)
    labels = np.arange(records) % classes
    logits = rng.normal(0, 1, (records, classes)) + 2 * np.eye(classes)[labels]
    logits *= sure
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)
    ids = np.array([f"val{position:04d}" for position in range(records)])
    mislabelled = rng.random(records) < 0.1
    return Predictions(ids, probabilities, np.where(mislabelled, (labels + 1) % classes, labels))


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `report ...` as a user would; gives the exit status, what was printed, and what was said on stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["report", *map(str, args)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture(scope="session")
def recompute() -> Callable[[Path], dict[str, Any]]:
    """What the independent script recompute.py makes of a file of predictions."""
    return runpy.run_path(str(Path(__file__).with_name("recompute.py")))["recompute"]


class Page(HTMLParser):
    """A page as its elements: of each the tag, its attributes, and all text in it."""

    VOID = ("meta", "img", "source", "link", "br", "input")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(html)
        self.unclosed = [tag for tag, *_ in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs}, [])
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1][0] == tag, f"</{tag}> closes <{self._open[-1][0]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for _, _, text in self._open:
            text.append(data)

    def by_id(self, name: str) -> tuple[str, dict[str, str], str]:
        """The element with an id: tag, attributes, text."""
        (found,) = (element for element in self.elements if element[1].get("id") == name)
        return found[0], found[1], " ".join("".join(found[2]).split())

    def all(self, tag: str) -> list[tuple[dict[str, str], str]]:
        """All elements of a tag: attributes and text."""
        return [
            (attributes, " ".join("".join(text).split())) for name, attributes, text in self.elements if name == tag
        ]


@pytest.fixture
def read_page() -> Callable[[Path], Page]:
    """Read a page of a run's folder; what opens must close."""

    def read(run: Path) -> Page:
        page = Page((run / "report.html").read_text("utf-8"))
        assert page.unclosed == []
        return page

    return read
