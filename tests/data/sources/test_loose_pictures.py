"""Pictures where shards are expected."""

from pathlib import Path

import pytest

from lightning_flowers.__main__ import main


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
