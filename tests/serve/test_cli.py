"""The command line refuses what cannot be in a line, before a model is loaded."""

import socket

import pytest

from lightning_flowers.__main__ import main
from lightning_flowers.serve import cli
from lightning_flowers.serve.cli import KEY


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--batch=0"], "--batch=0: must be 1 or more"),
        (["--neighbours=-1"], "--neighbours=-1: must be 0 (none) or more"),
        (["--max-mb=0"], "--max-mb=0: must be 1 or more"),
        (["--queue=3"], "a request may hold more pictures"),
        (["--cors=*"], "must be an origin, such as"),
        (["--cors=https://example.org/x"], "must be an origin, such as"),
        (["--api-key-file=/no/such/file"], "cannot be read"),
        (["--port=70000"], "must be in 0..65535"),
        (["--decision=x"], "(see serve --help)"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, capsys, flags, why):
    assert main(["serve", str(tmp_path), *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_a_port_that_is_taken_and_a_run_that_is_not_there(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", str(tmp_path), f"--port={taken.getsockname()[1]}"]) == 2
    assert "choose others" in capsys.readouterr().err
    assert main(["serve", str(tmp_path / "nowhere"), "--port=0"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_key_comes_from_a_file_or_the_environment_and_is_no_short_one(tmp_path, capsys, monkeypatch):
    (tmp_path / "key").write_text("a-key-of-some-length\n")
    assert cli._key(str(tmp_path / "key")) == "a-key-of-some-length"
    monkeypatch.setenv(KEY, "short")
    assert main(["serve", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert KEY in said
    assert "short" not in said
    monkeypatch.delenv(KEY)
    assert cli._key(None) is None


def test_missing_packages_are_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_PACKAGES", ("no_such_package",))
    assert main(["serve", str(tmp_path)]) == 2
    assert "pip install 'lightning_flowers[serve]'" in capsys.readouterr().err
