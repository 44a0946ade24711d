from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightning_flowers.run.checkpoints import checkpoints
from lightning_flowers.run.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.make()
    return folder


def trainer(save) -> Any:
    return SimpleNamespace(save_checkpoint=save, global_step=1, is_global_zero=True, loggers=[])


def test_best_is_kept_only_where_there_is_validation(folder):
    assert [checkpoint.filename for checkpoint in checkpoints(folder, validates=True)] == ["best", "last"]
    assert [checkpoint.filename for checkpoint in checkpoints(folder, validates=False)] == ["last"]


def test_a_checkpoint_that_cannot_be_written_whole_leaves_the_one_before(folder):
    def break_off(path, weights_only):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    folder.last.write_bytes(b"whole")
    (last,) = checkpoints(folder, validates=False)
    with pytest.raises(OSError, match="No space"):
        last._save_checkpoint(trainer(break_off), str(folder.last))
    assert folder.last.read_bytes() == b"whole"
    assert [path.name for path in folder.checkpoints.iterdir()] == ["last.ckpt"]


def test_a_whole_checkpoint_takes_the_place_of_the_one_before(folder):
    folder.last.write_bytes(b"old")
    (last,) = checkpoints(folder, validates=False)
    last._save_checkpoint(trainer(lambda path, weights_only: Path(path).write_bytes(b"new")), str(folder.last))
    assert folder.last.read_bytes() == b"new"
