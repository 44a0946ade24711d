import json

import pytest
import yaml

from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.prediction_folder import choose_out, note_predictions

DATA = {"root": "/new", "records": {"val": 3, "test": 5}, "fingerprints": {"val": "v", "test": "x"}}
FACTS = {"tta": "flips", "decision": "argmax", "val": {"loss": 0.5, "accuracy": 0.9, "macro_f1": 0.8}}


def make(path, summary):
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump({"model": {"backbone": path.name}}))
    (path / "summary.json").write_text(json.dumps(summary))
    return RunFolder(path)


@pytest.fixture
def run(tmp_path):
    data = {"root": "/old", "size": 32, "records": {"train": 9, "val": 3}, "fingerprints": {"train": "t", "val": "v"}}
    return make(tmp_path / "runs" / "a", {"backbone": "a", "best": {"epoch": 4, "val_loss": 1.0}, "data": data})


def test_predictions_elsewhere_make_a_folder_that_reads_as_a_run(run, tmp_path):
    out = choose_out(str(tmp_path / "a-flips"), run, "x.ckpt")
    note_predictions(out, run, "x.ckpt", DATA, FACTS)
    summary = out.read_summary()
    assert summary["backbone"] == "a"
    assert summary["best"] == {"epoch": 4, "val_loss": 0.5, "val_accuracy": 0.9, "val_macro_f1": 0.8}
    assert summary["data"]["records"] == {"train": 9, "val": 3, "test": 5}
    assert summary["data"]["root"] == "/new"
    assert summary["predictions"] == FACTS
    assert out.config.read_text() == run.config.read_text()
    assert run.read_summary()["best"] == {"epoch": 4, "val_loss": 1.0}


def test_the_runs_own_scores_stay_where_predictions_lie_in_its_own_folder(run):
    note_predictions(run, run, "x.ckpt", DATA, FACTS)
    assert run.read_summary()["predictions"] == FACTS
    assert run.read_summary()["best"] == {"epoch": 4, "val_loss": 1.0}


def test_the_same_run_may_predict_there_again_and_another_may_not(run, tmp_path):
    out = choose_out(str(tmp_path / "out"), run, "x.ckpt")
    note_predictions(out, run, "x.ckpt", DATA, FACTS)
    assert choose_out(str(tmp_path / "out"), run, "x.ckpt").path == out.path
    other = make(tmp_path / "runs" / "b", {"backbone": "b"})
    for taken in ("out", "runs/a"):
        with pytest.raises(UserError, match="holds another run"):
            choose_out(str(tmp_path / taken), other, "x.ckpt")


def test_a_file_is_no_place(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        choose_out(str(tmp_path / "file"), run, "x.ckpt")


def test_a_checkpoint_by_itself_does_not_overwrite_a_run_nor_other_predictions(run, tmp_path):
    with pytest.raises(UserError, match="holds another run"):
        choose_out(str(run.path), None, "x.ckpt")
    (tmp_path / "old").mkdir()
    (tmp_path / "old/submission.csv").write_text("id,label\n")
    with pytest.raises(UserError, match="holds another run"):
        choose_out(str(tmp_path / "old"), run, "x.ckpt")
    out = choose_out(str(tmp_path / "new"), None, "x.ckpt")
    note_predictions(out, None, "x.ckpt", DATA, FACTS)
    assert choose_out(str(tmp_path / "new"), None, "x.ckpt").path == out.path
    with pytest.raises(UserError, match="holds another run"):
        choose_out(str(tmp_path / "new"), None, "y.ckpt")
