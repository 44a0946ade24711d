import json

import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder, write_text


def test_a_second_run_of_a_name_gets_a_folder_of_its_own(tmp_path):
    for wanted in ("x", "x-2", "x-3"):
        folder = RunFolder.new(tmp_path, "x")
        assert folder.path.name == wanted
        folder.make()


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/x"])
def test_a_name_that_is_none_or_leads_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=f"--name={name}: must be a folder's name by itself"):
        RunFolder.new(tmp_path, name)


def test_a_search_or_a_campaign_goes_on_in_its_folder_and_not_in_a_runs(tmp_path):
    trial = tmp_path / "tune/trials/0003"
    (trial / "checkpoints").mkdir(parents=True)
    assert RunFolder.of_many(tmp_path, "tune") == tmp_path / "tune"
    with pytest.raises(UserError, match=f"give one of the runs in it: {trial}$"):
        RunFolder.open(tmp_path / "tune")
    (tmp_path / "tune/config.yaml").touch()
    with pytest.raises(UserError, match=r"--name=tune: .*tune is the folder of a run: give another name"):
        RunFolder.of_many(tmp_path, "tune")


def test_choosing_a_folder_makes_nothing(tmp_path):
    RunFolder.new(tmp_path / "runs", "x")
    assert not (tmp_path / "runs").exists()


def test_a_folder_taken_meanwhile_is_not_written_to(tmp_path):
    folder = RunFolder.new(tmp_path, "x")
    RunFolder.new(tmp_path, "x").make()
    with pytest.raises(UserError, match="start again"):
        folder.make()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another --runs_dir"):
        RunFolder.new(tmp_path / "file", "x").make()


def test_opening_says_what_is_wrong(tmp_path):
    with pytest.raises(UserError, match=r"--run=.*nothing: no such folder"):
        RunFolder.open(tmp_path / "nothing", "--run")
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(UserError, match=r"--resume=.*last\.ckpt: not a folder: give that of a run"):
        RunFolder.open(tmp_path / "last.ckpt", "--resume")
    with pytest.raises(UserError, match=r"no config\.yaml"):
        RunFolder.open(tmp_path)


def test_a_missing_checkpoint_says_what_to_do(tmp_path):
    folder = RunFolder.new(tmp_path, "a b")
    folder.make()
    with pytest.raises(UserError, match=r"no checkpoints/best\.ckpt: train it anew"):
        folder.checkpoint()
    folder.last.write_bytes(b"")
    with pytest.raises(UserError, match=f"resume it: fit --resume '{folder.path}'"):
        folder.checkpoint()


def test_the_summary_keeps_what_others_wrote(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_summary({"seed": 1, "status": "running"})
    folder.write_summary({"status": "finished"})
    assert json.loads(folder.summary.read_text()) == {"seed": 1, "status": "finished"}


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    write_text(path, "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_a_blend_has_no_model_to_go_on_with(tmp_path):
    folder = tmp_path / "ensemble"
    folder.mkdir()
    (folder / "config.yaml").write_text("ensemble: {}\n")
    (folder / "summary.json").write_text('{"backbone": "ensemble"}')
    for flag in ("--run", "--resume"):
        with pytest.raises(UserError, match=f"{flag}=.*ensemble: a blend of runs has no model"):
            RunFolder.open(folder, flag)
