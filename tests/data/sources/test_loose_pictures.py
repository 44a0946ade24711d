"""Pictures where shards are expected."""

from pathlib import Path

import pytest

from lightning_flowers.__main__ import main

MEND = "python -m lightning_flowers records convert"


@pytest.mark.parametrize("path", ["0.jpg", "rose/0.PNG", "train/rose/0.webp"])
@pytest.mark.parametrize(
    "command",
    [["records", "verify", "my pictures"], ["records", "inspect", "my pictures"]],
    ids=lambda command: command[-2],
)
def test_a_folder_of_pictures_is_told_how_to_become_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my pictures" / path).parent.mkdir(parents=True)
    (tmp_path / "my pictures" / path).touch()
    assert main(command) == 2
    err = capsys.readouterr().err
    assert f"my pictures: holds pictures, not shards: make those first, {MEND} 'my pictures' --out=OUT" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--data.root=0.jpg", "--data.extra_roots=[0.jpg]"])
def test_a_picture_names_the_flag_that_it_was_given_to(
    petals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0.jpg").touch()
    where = [] if flag.startswith("--data.root") else [f"--data.root={petals_root}"]
    assert main(["fit", "--trainer.accelerator=cpu", *where, flag]) == 2
    err = capsys.readouterr().err
    assert flag.partition("=")[0] in err
    assert "0.jpg: one picture is no data set: give its folder" in err


@pytest.mark.parametrize("path", ["0.jpg", "rose/0.PNG"])
@pytest.mark.parametrize(
    "command",
    [["fit", "--trainer.accelerator=cpu", "--data.root=."], ["records", "verify", "."]],
    ids=["fit", "verify"],
)
def test_pictures_where_the_shards_of_a_split_belong_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train = Path("tfrecords-jpeg-32x32/train")
    (train / path).parent.mkdir(parents=True)
    (train / path).touch()
    assert main(command) != 0
    said = "".join(capsys.readouterr())
    assert f"holds pictures, not shards: make those first, {MEND} {train} --out=OUT" in said
    assert "Traceback" not in said
