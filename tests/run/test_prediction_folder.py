import json
from pathlib import Path

import pytest
import yaml

from lightning_flowers.errors import UserError
from lightning_flowers.files import digest
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.prediction_folder import choose_out, note_predictions, outdated

DATA = {"root": "/new", "records": {"val": 3, "test": 5}, "fingerprints": {"val": "v", "test": "x"}}
X, Y = "x.ckpt", "y.ckpt"
FACTS = {"tta": "flips", "decision": "argmax", "val": {"loss": 0.5, "accuracy": 0.9, "macro_f1": 0.8}}


def make(path, summary):
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump({"model": {"backbone": path.name}}))
    (path / "summary.json").write_text(json.dumps(summary))
    return RunFolder(path)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(X).write_bytes(b"weights")
    data = {"root": "/old", "size": 32, "records": {"train": 9, "val": 3}, "fingerprints": {"train": "t", "val": "v"}}
    return make(tmp_path / "runs" / "a", {"backbone": "a", "best": {"epoch": 4, "val_loss": 1.0}, "data": data})


def test_predictions_elsewhere_make_a_folder_that_reads_as_a_run(run, tmp_path):
    out = choose_out(str(tmp_path / "a-flips"), run, X)
    note_predictions(out, run, X, DATA, FACTS)
    summary = out.read_summary()
    assert summary["backbone"] == "a"
    assert summary["best"] == {"epoch": 4, "val_loss": 0.5, "val_accuracy": 0.9, "val_macro_f1": 0.8}
    assert summary["data"]["records"] == {"train": 9, "val": 3, "test": 5}
    assert summary["data"]["root"] == "/new"
    assert summary["predictions"] == FACTS | {"checkpoint": digest(Path(X))}
    assert out.config.read_text() == run.config.read_text()
    assert run.read_summary()["best"] == {"epoch": 4, "val_loss": 1.0}


def test_the_runs_own_scores_stay_where_predictions_lie_in_its_own_folder(run):
    note_predictions(run, run, X, DATA, FACTS)
    assert run.read_summary()["predictions"] == FACTS | {"checkpoint": digest(Path(X))}
    assert run.read_summary()["best"] == {"epoch": 4, "val_loss": 1.0}


def test_the_same_run_may_predict_there_again_and_another_may_not(run, tmp_path):
    out = choose_out(str(tmp_path / "out"), run, X)
    note_predictions(out, run, X, DATA, FACTS)
    assert choose_out(str(tmp_path / "out"), run, X).path == out.path
    other = make(tmp_path / "runs" / "b", {"backbone": "b"})
    for taken in ("out", "runs/a"):
        with pytest.raises(UserError, match="holds another run"):
            choose_out(str(tmp_path / taken), other, X)


def test_a_file_is_no_place(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        choose_out(str(tmp_path / "file"), run, X)


def test_a_checkpoint_by_itself_does_not_overwrite_a_run_nor_other_predictions(run, tmp_path):
    with pytest.raises(UserError, match="holds another run"):
        choose_out(str(run.path), None, X)
    (tmp_path / "old").mkdir()
    (tmp_path / "old/submission.csv").write_text("id,label\n")
    with pytest.raises(UserError, match="holds another run"):
        choose_out(str(tmp_path / "old"), run, X)
    out = choose_out(str(tmp_path / "new"), None, X)
    note_predictions(out, None, X, DATA, FACTS)
    assert choose_out(str(tmp_path / "new"), None, X).path == out.path
    with pytest.raises(UserError, match="holds another run"):
        choose_out(str(tmp_path / "new"), None, Y)


def test_predictions_are_outdated_once_the_run_has_other_weights(run, tmp_path):
    run.make()
    run.best.write_bytes(b"weights")
    out = choose_out(str(tmp_path / "a-flips"), run, str(run.best))
    assert outdated(run.path) is None  # of an older version: not known
    for folder in (run, out):
        note_predictions(folder, run, str(run.best), DATA, FACTS)
        assert outdated(folder.path) is None
    run.best.write_bytes(b"weights of a later epoch")
    for folder in (run, out):
        assert "its predictions, and a submission of them, are of other weights" in str(outdated(folder.path))
    run.best.unlink()
    assert outdated(out.path) is None
