"""`export` as a user runs it."""

import importlib.util
import json
import shutil

import numpy as np
import pytest

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.errors import UserError
from lightning_flowers.export import checking
from lightning_flowers.export.checking import Reference
from lightning_flowers.export.pictures import find_pictures
from lightning_flowers.export.timm_folder import to_timm
from lightning_flowers.run.predictions import Predictions

from .conftest import member_of, predictor_of


@pytest.fixture
def refused(capsys, tmp_path, tiny_run):
    """The one line that a command line with a mistake gives."""

    def run(*args, given=tiny_run):
        assert main(["export", str(given), *args]) == MISUSED
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert out == ""
        return line.removeprefix("lightning_flowers: ")

    return run


def test_all_is_there_and_told_of(exported, predictor, tiny_run):
    assert sorted(path.name for path in exported.iterdir()) == [
        "FIGURES.md", "model.int8.onnx", "model.onnx", "model.pt2", "timm"
    ]  # fmt: skip
    assert sorted(path.name for path in (exported / "timm").iterdir()) == [
        "README.md", "config.json", "model.safetensors"
    ]  # fmt: skip
    lines = (exported / "FIGURES.md").read_text("utf-8").splitlines()
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for line in lines if (cells := line.split("|"))[1:]
    }
    val = Predictions.load(tiny_run / "predictions/val.npz", labelled=True)
    accuracy = f"{(val.probabilities.argmax(1) == val.labels).mean():.4f}"
    for name in ("predictor", "model.pt2", "model.onnx", "model.safetensors"):
        assert rows[name][-1] == accuracy
    assert (rows["model.onnx"][2], rows["model.onnx"][5]) == ("1.00", "11")
    assert float(rows["model.onnx"][3]) < 1e-4
    assert float(rows["model.safetensors"][3]) < 1e-4
    assert f"accuracy {accuracy}" in (exported / "timm/README.md").read_text("utf-8")
    assert "Checked on 11 val pictures" in "\n".join(lines)


@pytest.mark.parametrize("kind", ["timm", "torch"])
def test_a_full_disk_is_one_line_whatever_a_library_says_of_it(refused, tmp_path, small_files, kind):
    assert refused(f"--to={kind}", f"--out={tmp_path}/out").startswith(
        f"{tmp_path}/out: File too large: raise the limit"
    )
    assert not list(tmp_path.iterdir())


def test_the_model_card_says_where_it_comes_from(exported, predictor):
    card = (exported / "timm/README.md").read_text("utf-8")
    assert card.startswith("---\n")
    assert "license: apache-2.0" in card
    assert "Clean: it was trained on this data set alone." in card
    assert "3. flower 3" in card
    assert f"logits / {predictor.temperature:.6g}" in card
    config = json.loads((exported / "timm/config.json").read_text("utf-8"))
    assert config["label_names"] == list(predictor.classes)
    assert config["pretrained_cfg"]["input_size"] == [3, 64, 64]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--to=tflite"], "--to=tflite: must be onnx, torch, timm or all, or several with commas between"),
        (["--to="], "--to=: must be"),
        (["--to=timm", "--int8"], "--int8: is made of ONNX: add it to --to"),
        (["--to=torch", "--pictures=0"], "--pictures=0: must be 1 or more"),
        (["--to=torch", "--data_root=nowhere", "--out=x"], "--data_root=nowhere: "),
        ([], "the following arguments are required: --to"),
    ],
)
def test_mistakes_are_one_line(refused, args, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in refused(*args)
    assert not list(tmp_path.glob("**/*x*"))


def test_nothing_is_overwritten(refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path):
        assert f"--out={out}: is there already: give a new folder" in refused("--to=torch", f"--out={out}")
    assert f"{tmp_path / 'file'}: File exists: " in refused("--to=torch", f"--out={tmp_path / 'file' / 'below'}")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_that_has_no_checkpoint_is_told_so(refused, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    assert "has no checkpoints/best.ckpt" in refused("--to=all", f"--out={tmp_path / 'out'}", given=run)
    assert "no such folder" in refused("--to=all", f"--out={tmp_path / 'out'}", given=tmp_path / "none")


def test_a_missing_package_is_named(refused, monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name))
    said = "--to=onnx: needs onnxscript: pip install 'lightning_flowers[export]'"
    assert refused("--to=onnx", f"--out={tmp_path / 'out'}") == said


def test_what_does_not_answer_as_the_run_is_not_left_behind(refused, monkeypatch, tmp_path):
    monkeypatch.setattr(checking, "TOLERANCE", -1)
    assert "model.pt2: does not answer as the run does" in refused("--to=torch", f"--out={tmp_path / 'out'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [lambda p: p + 2e-4, lambda p: p * np.nan, lambda p: p[:, ::-1]])
def test_answers_that_differ_are_refused(predictor, tmp_path, wrong):
    expected, file = Reference(predictor, find_pictures(predictor, None, None)), tmp_path / "x.onnx"
    file.touch()
    with pytest.raises(UserError, match=r"x\.onnx: does not answer as the run does"):
        expected.check(lambda pictures: wrong(predictor.probabilities(list(pictures))), file)
    same = expected.check(lambda pictures: predictor.probabilities(list(pictures)), file)
    assert (same.difference, same.same_top) == (pytest.approx(0, abs=1e-6), 11)


def test_without_val_it_is_checked_on_made_up_pictures_and_says_so(tiny_run, tmp_path):
    import lightning_flowers

    run = shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("predictions"))
    sample = find_pictures(lightning_flowers.load(run, accelerator="cpu"), None, None)
    assert (len(sample), sample.labels) == (32, None)
    assert sample.what.startswith("32 made-up pictures (val is not to be had: ")
    assert "make them with predict" in sample.what
    assert next(sample.batches()).shape == (16, 64, 64, 3)
    summary = json.loads((run / "summary.json").read_text())
    summary["data"]["train_on"] = "train+val"
    (run / "summary.json").write_text(json.dumps(summary))
    sample = find_pictures(lightning_flowers.load(run, accelerator="cpu"), None, None)
    assert sample.what == "32 made-up pictures (val is not to be had: the run was trained on train+val, and has none)"


@pytest.mark.parametrize(
    ("predictor", "said"),
    [
        (lambda: predictor_of(member_of(weight=0.5), member_of(weight=0.5)), "a blend is several models"),
        (lambda: predictor_of(member_of(hidden=[5])), r"no place for hidden dense layers \(5\): use --to=onnx,torch"),
        (lambda: predictor_of(member_of("deit_tiny_distilled_patch16_224", 224)), "is not one dense layer"),
    ],
)
def test_what_timm_cannot_hold_is_refused(predictor, said):
    with pytest.raises(UserError, match=said):
        to_timm(predictor())
