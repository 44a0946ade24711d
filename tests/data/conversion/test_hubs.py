"""Data sets of the hubs; there is no network in tests, so the hubs' own libraries are stood in for."""

import sys
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import HFValidationError

from lightning_flowers.data.conversion.opening import open_data
from lightning_flowers.errors import DataError, UserError

from .conftest import NAMES, write_folders, write_parquet


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("hf://datasets/ours/flowers", ("ours/flowers", None, None)),
        ("hf://datasets/ours/flowers/data", ("ours/flowers", None, ["data", "data/*"])),
        ("hf://datasets/ours/flowers@v1/data/", ("ours/flowers", "v1", ["data", "data/*"])),
        ("hf://datasets/ours/flowers@refs/convert/parquet", ("ours/flowers", "refs/convert/parquet", None)),
    ],
)
def test_the_hugging_face_hub_gives_a_snapshot(tmp_path, monkeypatch, url, asked):
    root = write_parquet(tmp_path / "snapshot")

    def snapshot_download(name, *, repo_type, revision, allow_patterns, ignore_patterns):
        assert (name, revision, allow_patterns, repo_type) == (*asked, "dataset")
        return str(root)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    source = open_data(url, 16)
    assert (source.classes, source.origin, len(source.open("val", 16))) == (NAMES, url, 6)


def test_what_the_hub_says_is_one_line(monkeypatch):
    def refuses(*_, **__):
        raise HFValidationError("no such\n\nname")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuses)
    with pytest.raises(DataError, match=r"^--data.root=hf://datasets/a/b: cannot be fetched: no such name$"):
        open_data("hf://datasets/a/b")
    with pytest.raises(UserError, match="give hf://datasets/OWNER/NAME"):
        open_data("hf://a/b")


@pytest.fixture
def kagglehub(monkeypatch):
    hub = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    return hub


def test_kaggle_gives_competitions_and_data_sets(tmp_path, petals_root, kagglehub):
    kagglehub.competition_download = {"tpu-getting-started": str(petals_root)}.__getitem__
    kagglehub.dataset_download = {"ours/flowers": str(write_folders(tmp_path / "flowers"))}.__getitem__
    assert open_data("kaggle://tpu-getting-started").root == petals_root
    assert open_data("kaggle://ours/flowers", 16).classes == NAMES


def test_what_kaggle_says_and_asks_for_is_told(kagglehub):
    def refuses(handle):
        raise OSError("403:\n forbidden")

    kagglehub.competition_download = refuses
    page = "https://www.kaggle.com/competitions/tpu-getting-started"
    with pytest.raises(DataError, match=rf"Kaggle does not give it .403: forbidden.: log in .* {page}, whose rules"):
        open_data("kaggle://tpu-getting-started")


@pytest.mark.parametrize(("package", "root"), [("kagglehub", "kaggle://a"), ("pyarrow", "data")])
def test_a_missing_library_is_named(tmp_path: Path, monkeypatch, package, root):
    monkeypatch.chdir(write_parquet(tmp_path / "flowers"))
    monkeypatch.setitem(sys.modules, package, None)
    extra = "kaggle" if package == "kagglehub" else "parquet"
    with pytest.raises(UserError, match=rf"needs {package}: pip install 'lightning_flowers\[{extra}\]'"):
        open_data(root)
