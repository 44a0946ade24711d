"""What tests of all rooms share: tiny data sets in the competition's layout."""

import colorsys
import csv
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import simplejpeg
import torch
from lightning_fabric.accelerators.xla import XLAAccelerator
from numpy.typing import NDArray

from lightning_flowers import feature_store
from lightning_flowers.__main__ import main
from lightning_flowers.cli import running
from lightning_flowers.data.cache import free_space
from lightning_flowers.data.tfrecord.writer import Record
from lightning_flowers.errors import naming_flags
from tests.shards import write_split

# A Trainer would look for a TPU, and import torch_xla into the tests' own process, which changes torch and environment.
XLAAccelerator.auto_device_count = functools.cache(lambda: 0)
_QUICK = [
    "--report=false",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--data.threads=2",
    "--data.cache=none",
]


@pytest.fixture(autouse=True)
def own_shared_memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /dev/shm, for this test and the processes that it starts."""
    folder = tmp_path_factory.mktemp("shared_memory")
    monkeypatch.setattr(free_space, "SHARED_MEMORY", folder)
    monkeypatch.setenv("LIGHTNING_FLOWERS_SHARED_MEMORY", str(folder))
    return folder


@pytest.fixture(autouse=True)
def own_features(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the user's cache folder, for the features that this test's runs keep."""
    folder = tmp_path_factory.mktemp("kept")
    monkeypatch.setattr(feature_store, "platformdirs", SimpleNamespace(user_cache_dir=lambda name: folder))
    return folder


@pytest.fixture(autouse=True)
def own_process_settings() -> Iterator[None]:
    """No test leaves the process's threads, number type or determinism to the next: its sums would round otherwise."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


@pytest.fixture(autouse=True)
def messages_name_flags() -> Iterator[None]:
    """Messages are tested as they are written, with flags; tests of the front door override it."""
    with naming_flags():
        yield


@pytest.fixture(autouse=True)
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than a tiny run: none of this process leaves a page."""
    monkeypatch.setattr(running, "leave_report", lambda path: "left out")


@pytest.fixture(scope="session")
def make_petals() -> Callable[..., Path]:
    """Write a tiny data set: `make_petals(root, size=32, classes=4, train=40, val=12, test=9, shards=(3, 2, 2))`."""
    return write_petals


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def petals_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a whole tiny data set (for reading only): 32 px, 4 classes told apart by colour, 40 / 12 / 9 records.

    Beside the shards: classes.txt, sample_submission.csv and test_labels.csv (both id,label).
    """
    return write_petals(tmp_path_factory.mktemp("data") / "petals")


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a tiny data set (for reading only) of 64 px: 4 classes, 40 / 11 / 7 records."""
    return write_petals(tmp_path_factory.mktemp("tiny") / "petals", size=64, val=11, test=7)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Path:
    """The folder of a run on `tiny_root` (for reading only), with predictions: a test_resnet that has learnt little."""
    return fit_tiny(tmp_path_factory.mktemp("tiny_runs"), tiny_root, "tiny")


def fit_tiny(runs: Path, root: Path, name: str, *flags: str) -> Path:
    """Train a test_resnet for an epoch; gives the run's folder."""
    model = ["--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--trainer.max_epochs=1"]
    assert main(["fit", *model, *_QUICK, f"--data.root={root}", f"--runs_dir={runs}", f"--name={name}", *flags]) == 0
    return runs / name


def predict_tiny(run: Path, *flags: str) -> None:
    """Predict with a run's best checkpoint."""
    assert main(["predict", f"--run={run}", *_QUICK, *flags]) == 0


def write_petals(
    root: Path,
    size: int = 32,
    classes: int = 4,
    train: int = 40,
    val: int = 12,
    test: int = 9,
    shards: int | tuple[int, int, int] = (3, 2, 2),
    seed: int = 0,
    shift: int = 0,
) -> Path:
    """Write a data set in the competition's layout; a split of 0 records is left out, and labels may be
    shifted by `shift`. Gives back `root`."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, size])
    (root / "classes.txt").write_text("".join(f"flower {label}\n" for label in range(classes)), encoding="utf-8")
    counts = {"train": train, "val": val, "test": test}
    files = (shards,) * 3 if isinstance(shards, int) else shards
    for (name, count), wanted in zip(counts.items(), files, strict=True):
        if count == 0:
            continue
        labels = [position % classes for position in range(count)]
        ids = [f"{name}{position:04d}" for position in range(count)]
        records = [
            Record(
                jpeg(coloured_picture(label, classes, size, rng)),
                None if name == "test" else (label + shift) % classes,
                identity,
            )
            for label, identity in zip(labels, ids, strict=True)
        ]
        write_split(root / f"tfrecords-jpeg-{size}x{size}" / name, size, records, min(wanted, count))
        if name == "test":
            _write_csv(root / "test_labels.csv", ids, labels)
            _write_csv(root / "sample_submission.csv", ids, [0] * count)
    return root


def coloured_picture(label: int, classes: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture in its class's hue, another shade of it in each picture, with a soft blob and some noise."""
    hue = (label / classes + rng.uniform(-0.04, 0.04)) % 1
    colour = 255 * np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.8, 1), rng.uniform(0.7, 0.9)))
    y, x = np.mgrid[:size, :size] / size
    blob = np.exp(-((x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2) / 0.1)
    picture = colour * (0.6 + 0.4 * blob[..., None]) + rng.normal(0, 6, (size, size, 3))
    return picture.clip(0, 255).astype(np.uint8)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """The picture as the competition's files are: RGB, quality 95, 4:4:4."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=95, colorspace="RGB", colorsubsampling="444")


def _write_csv(path: Path, ids: list[str], labels: list[int]) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([("id", "label"), *zip(ids, labels, strict=True)])


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file takes more than 64 KiB, as on a disk that is full by then."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
