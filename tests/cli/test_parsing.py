"""What a command line means, whichever tool it is of."""

import pytest

from lightning_flowers.__main__ import main
from lightning_flowers.cli.parsing import at_home


def test_a_home_folder_is_meant_after_a_flag_as_well(monkeypatch):
    monkeypatch.setenv("HOME", r"/home/\1 me")
    given = ["fit", "--runs_dir=~/runs", "--data.extra_roots=[~/a,~/b]", "--name=a~/b", "~/x", "--data.cache_dir=~"]
    assert at_home(given) == [
        *("fit", r"--runs_dir=/home/\1 me/runs", r"--data.extra_roots=[/home/\1 me/a,/home/\1 me/b]"),
        *given[3:],
    ]


@pytest.mark.parametrize("command", ["predict", "validate"])
def test_a_run_that_is_given_by_itself_is_told_its_flag(tmp_path, capsys, command):
    assert main([command, str(tmp_path)]) == 2
    assert f"unrecognized arguments: {tmp_path}: did you mean --run={tmp_path}?" in capsys.readouterr().err
