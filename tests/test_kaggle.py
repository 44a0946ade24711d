"""The script for Kaggle: what it finds, what it goes on with, how long it takes; and runs whose time is up."""

import importlib.util
import json
import re
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import yaml

from lightning_flowers.__main__ import main
from lightning_flowers.data.conversion.opening import KAGGLE_MOUNTS
from lightning_flowers.model.classifier import FlowerClassifier

ROOT = Path(__file__).parent.parent
LAYOUTS = ["lightning-flowers-wheels", "datasets/someone/lightning-flowers-wheels"]
OUTPUTS = ["petals-with-lightning-flowers", "notebooks/someone/petals-with-lightning-flowers"]


@pytest.fixture
def petals():
    """The script, loaded but not run."""
    spec = importlib.util.spec_from_file_location("kaggle_petals", ROOT / "kaggle" / "petals.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def inputs(tmp_path):
    """In place of /kaggle/input."""
    return tmp_path / "input"


@pytest.fixture
def working(tmp_path):
    """In place of /kaggle/working."""
    return tmp_path / "working"


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def put_campaign(folder, seconds):
    put(folder / "campaign.json", f"after {seconds}")
    put(folder / "runs" / "x-seed0" / "checkpoints" / "last.ckpt")
    put(folder / "seconds-used.txt", f"{seconds}\n")
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_wheels_are_found_in_both_layouts(petals, inputs, layout):
    wheel = put(inputs / layout / "lightning_flowers-0.1.0-py3-none-any.whl")
    put(inputs / "tpu-getting-started" / "sample_submission.csv")
    assert petals.wheel_folder(inputs) == wheel.parent


def test_missing_wheels_are_asked_for(petals, inputs):
    inputs.mkdir()
    with pytest.raises(SystemExit, match=r"no lightning_flowers-.* below .*attach the dataset"):
        petals.wheel_folder(inputs)


def test_what_is_installed_of_torch_and_the_tpu_must_stay(petals):
    lines = petals.constraints().splitlines()
    assert f"torch=={version('torch')}" in lines
    assert all(re.fullmatch(r"(torch|torchvision|torchaudio|torch_xla|libtpu|numpy)==\S+", line) for line in lines)
    assert {"torch", "torch_xla", "libtpu", "torchvision"} <= set(petals.KEPT)


def test_what_must_stay_is_not_among_the_wheels():
    lines = (ROOT / "kaggle" / "image.txt").read_text().splitlines()
    left_out = {line for line in lines if not line.startswith("#")}
    # Nothing else of ours asks for torch_xla, libtpu, torchaudio or CUDA's libraries.
    assert {"torch", "torchvision", "numpy"} <= left_out


def test_pip_gets_the_wheels_alone(petals, inputs, monkeypatch):
    calls = []

    def run(command, **_):
        calls.append((command, Path(command[command.index("--constraint") + 1]).read_text()))
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(petals.subprocess, "run", run)
    petals.install(inputs)
    ((command, kept),) = calls
    assert command[-1] == "lightning_flowers"
    assert "--no-index" in command
    assert command[command.index("--find-links") + 1] == str(inputs)
    assert kept == petals.constraints()


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_earlier_versions_campaign_is_copied_and_can_be_written(petals, inputs, working, output):
    campaign = put_campaign(inputs / output / "runs" / petals.NAME, seconds=3)
    for path in (campaign, *campaign.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    taken = petals.take_up(inputs, working)
    assert taken == working / "runs" / petals.NAME
    assert (taken / "campaign.json").read_text() == "after 3"
    assert (taken / "runs" / "x-seed0" / "checkpoints" / "last.ckpt").is_file()
    assert all(path.stat().st_mode & 0o200 for path in (taken, *taken.rglob("*")))


def test_of_several_earlier_campaigns_the_one_that_has_come_farthest_is_taken(petals, inputs, working):
    for owner, seconds in (("a", 2), ("b", 11), ("c", 9)):
        put_campaign(inputs / "notebooks" / owner / "petals" / "runs" / petals.NAME, seconds)
    put_campaign(inputs / "notebooks" / "d" / "petals" / "runs" / "another", seconds=20)
    assert (petals.take_up(inputs, working) / "campaign.json").read_text() == "after 11"


def test_this_sessions_own_campaign_comes_first(petals, inputs, working):
    put_campaign(inputs / "petals" / "runs" / petals.NAME, seconds=5)
    own = put_campaign(working / "runs" / petals.NAME, seconds=6)
    assert petals.take_up(inputs, working) == own
    assert (own / "campaign.json").read_text() == "after 6"


def test_a_backbone_has_the_settings_that_lie_beside_the_wheels_and_the_weights_that_are_attached(
    petals, inputs, tmp_path, monkeypatch
):
    monkeypatch.setattr(petals, "SETTINGS", tmp_path / "settings")
    monkeypatch.setattr(petals, "timm_name", lambda name: "legacy_xception.tf_in1k")
    put(inputs / "xception.yaml", "model: {backbone: xception, lr: 0.1}\n")
    put(inputs / "a" / "legacy_xception.safetensors", "weights")
    first = petals.settings("xception", inputs, inputs).read_text()
    found = yaml.safe_load(first)["model"]
    assert (found["backbone"], found["lr"]) == ("xception", 0.1)
    assert (Path(found["weights"]) / "legacy_xception.safetensors").read_text() == "weights"
    (inputs / "a").rename(inputs / "b")  # mounted elsewhere in the next session: a campaign knows its settings again
    assert petals.settings("xception", inputs, inputs).read_text() == first
    assert (Path(found["weights"]) / "legacy_xception.safetensors").read_text() == "weights"


def test_a_backbone_without_settings_has_its_name(petals, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(petals, "SETTINGS", tmp_path / "settings")
    monkeypatch.setattr(petals, "timm_name", lambda name: "tf_efficientnet_lite0.in1k")
    inputs.mkdir()
    path = petals.settings("tf_efficientnet_lite0", inputs, inputs)
    assert yaml.safe_load(path.read_text()) == {"model": {"backbone": "tf_efficientnet_lite0"}}


def test_the_default_backbones_have_configs(petals):
    assert all((ROOT / "configs" / f"{name}.yaml").is_file() for name in petals.BACKBONES)


@pytest.mark.parametrize(
    "mount", ["flower-weights", "datasets/someone/flower-weights", "models/timm/xception/pytorch/1"]
)
@pytest.mark.parametrize(
    "file",
    ["legacy_xception.tf_in1k.safetensors", "legacy_xception.pth", "legacy_xception.tf_in1k/model.safetensors"],
)
def test_weights_are_found_by_timms_name(petals, inputs, mount, file):
    put(inputs / mount / file)
    put(inputs / mount / "xception.yaml")
    assert petals.weights(inputs, "legacy_xception.tf_in1k") == inputs / mount


def test_missing_weights_are_asked_for(petals, inputs, capsys):
    put(inputs / "weights" / "densenet201.tv_in1k.safetensors")
    assert petals.weights(inputs, "legacy_xception.tf_in1k") is None
    assert "attach a dataset that holds legacy_xception.tf_in1k.safetensors" in capsys.readouterr().out


def test_the_default_backbones_weights_come_with_the_wheels(petals, inputs, capsys):
    assert petals.weights(inputs, "tf_efficientnet_lite0.in1k") is None
    assert capsys.readouterr().out == ""


def test_a_session_has_its_hours_whatever_earlier_ones_have_used(petals, inputs, working, monkeypatch):
    given = []

    def compete(flags):
        given.extend(flags)
        put(working / "runs" / petals.NAME / "submission.csv", "id,label\n")

    put(inputs / "wheels" / "lightning_flowers-0.1.0-py3-none-any.whl")
    put_campaign(inputs / "petals" / "runs" / petals.NAME, seconds=7200)
    monkeypatch.setattr(petals, "install", lambda wheels: None)
    monkeypatch.setattr(petals, "BACKBONES", ["a", "b"])
    monkeypatch.setattr(petals, "settings", lambda name, *_: Path(f"{name}.yaml"))
    monkeypatch.setattr(petals, "compete", compete)
    petals.main(inputs, working, ["--data.size=512"], hours=9)
    runs = working / "runs"
    assert given[:-1] == ["--backbones=a.yaml,b.yaml", f"--name={petals.NAME}", f"--runs_dir={runs}", "--data.size=512"]
    assert float(given[-1].removeprefix("--hours=")) == pytest.approx(11, abs=0.01)
    assert (working / "submission.csv").read_text() == "id,label\n"


def test_a_failed_campaign_fails_the_session(petals, monkeypatch):
    monkeypatch.setattr(petals.subprocess, "run", lambda *_, **__: type("Done", (), {"returncode": 2}))
    with pytest.raises(SystemExit) as ended:
        petals.compete(["--data.size=512"])
    assert ended.value.code == 2


def test_the_metadata_are_as_kaggles_client_takes_them():
    kernel, wheels = (
        json.loads((ROOT / "kaggle" / f"{name}-metadata.json").read_text()) for name in ("kernel", "dataset")
    )
    for metadata in (kernel, wheels):
        owner, slug = metadata["id"].split("/")
        assert re.fullmatch(r"\w[\w-]+", owner)
        assert slug == re.sub(r"\W+", "-", metadata["title"].lower().replace("_", "-"))
        assert 6 <= len(slug) <= 50
        assert 6 <= len(metadata["title"]) <= 50
    assert (ROOT / "kaggle" / kernel["code_file"]).is_file()
    assert (kernel["language"], kernel["kernel_type"]) == ("python", "script")
    assert kernel["enable_tpu"] is kernel["is_private"] is True
    assert kernel["enable_gpu"] is kernel["enable_internet"] is False
    assert kernel["dataset_sources"] == [wheels["id"]]
    assert {mount.name for mount in KAGGLE_MOUNTS} >= set(kernel["competition_sources"])
    assert len(wheels["licenses"]) == 1


TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
    "--data.cache=none", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
]  # fmt: skip
slow_flips = pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against")  # so it is at 32 px


@pytest.mark.slow
@slow_flips
def test_a_run_whose_time_is_up_in_its_first_epoch_leaves_a_submission_and_can_go_on(
    petals_root, tmp_path, monkeypatch, capsys
):
    runs = [f"--runs_dir={tmp_path}", "--name=cut", f"--data.root={petals_root}", "--trainer.max_epochs=2"]
    step = FlowerClassifier.training_step
    with monkeypatch.context() as patch:
        patch.setattr(FlowerClassifier, "training_step", lambda *args: time.sleep(1) or step(*args))
        assert main(["fit", *TINY, *runs, "--trainer.max_time=00:00:00:01"]) == 0
    cut = tmp_path / "cut"
    assert torch.load(cut / "checkpoints" / "last.ckpt", weights_only=False)["global_step"] == 1
    assert len((cut / "submission.csv").read_text().splitlines()) == 10
    capsys.readouterr()

    # The time is of one command: what the first has used up is not taken from the second's.
    assert main(["fit", "--resume", str(cut), "--trainer.max_time=00:01:00:00"]) == 0
    assert "epoch 2/2 | train" in capsys.readouterr().out
    assert torch.load(cut / "checkpoints" / "last.ckpt", weights_only=False)["global_step"] == 6
    assert len((cut / "submission.csv").read_text().splitlines()) == 10
