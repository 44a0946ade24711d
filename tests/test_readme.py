"""What the README tells a reader to type is there to be typed."""

import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from lightning_flowers.__main__ import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def flags():
    from lightning_flowers.cli.lightning import FlowersCLI

    found = set()
    for command in ("fit", "validate", "test", "predict"):
        with pytest.MonkeyPatch.context() as patch:
            shown = []
            patch.setattr("sys.stdout.write", shown.append)
            with pytest.raises(SystemExit):
                FlowersCLI([command, "--help=all"])
        found |= set(re.findall(r"--[\w.]+", "".join(shown)))
    return found


def test_every_flag_it_names_exists(flags):
    own = set(re.findall(r"(?<![\w-])--(?:data|model|trainer)\.\w+|--(?:run|out|resume|config|runs_dir)\b", README))
    assert len(own) > 15
    assert own <= flags


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README
    assert "TODO" not in README


def test_every_file_and_target_it_names_exists():
    for config in re.findall(r"configs/[\w/]+\.\w+", README):
        assert (ROOT / config).is_file()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", README, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_the_program_lists_the_commands_it_tells_of(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for command in set(re.findall(r"python -m lightning_flowers (\w+)", README)):
        assert f"\n  {command} " in listed


@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_what_it_shows_of_python_runs(petals_root, tmp_path, monkeypatch):
    """On tiny petals, with a tiny backbone from random weights."""
    monkeypatch.chdir(tmp_path)
    code = textwrap.dedent(README.split("## In a notebook, from Python")[1].split("\n`fit`")[0])
    for shown, tiny in (
        ('"/kaggle/input/tpu-getting-started"', repr(str(petals_root))),
        ('("tf_efficientnet_lite0"', '("test_resnet", weights="none"'),
        ('{"backbone": "tf_efficientnet_lite0"}', '{"backbone": "test_resnet", "weights": "none"}'),
        ("Trainer(max_epochs=2", 'Trainer(max_epochs=2, accelerator="cpu", enable_progress_bar=False'),
        ('trainer={"max_epochs": 2}', 'trainer={"max_epochs": 2, "accelerator": "cpu"}'),
    ):
        assert shown in code
        code = code.replace(shown, tiny)
    found: dict[str, Any] = {}
    exec(code, found)
    assert (found["picture"].shape, found["data"].classes[found["label"]]) == ((32, 32, 3), "flower 0")
    assert found["model"].class_names == found["data"].classes
    assert (len(found["run"].history), found["mean"].shape) == (2, (9, 4))
    assert (tmp_path / "runs/flips/submission.csv").is_file()


@pytest.mark.parametrize("version", ["3.13", "3.14"])
def test_a_newer_python_is_not_asked_for_what_has_no_wheels_for_it(version: str):
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    linux = {"python_version": version, "sys_platform": "linux", "platform_machine": "x86_64"}
    asked = [each for each in map(Requirement, dev) if each.marker is None or each.marker.evaluate(linux)]
    assert {"pytest", "lightning_flowers"} <= {each.name for each in asked}
    assert not {"tpu", "xla", "rehearse"} & set().union(*(each.extras for each in asked))


def test_each_dependency_stands_in_its_table():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    table = (ROOT / "CONTRIBUTING.md").read_text().split("## Dependencies")[1]
    extras = [
        line for name in ("serve", "export", "tpu", "rehearse") for line in project["optional-dependencies"][name]
    ]
    names = {re.split(r"[\[<>=!; ]", line)[0] for line in [*project["dependencies"], *extras]}
    assert len(names) > 25
    assert not [name for name in names if not re.search(rf"\b{name}\b", table)]


def test_the_contents_name_every_section():
    listed = re.findall(r"^- \[(.+)\]\(#(.+)\)$", README.split("## Contents")[1].split("\n## ")[0], flags=re.MULTILINE)
    sections = [title for title in re.findall(r"^## (.+)$", README, flags=re.MULTILINE) if title != "Contents"]
    assert [title for title, _ in listed] == sections
    assert [link for _, link in listed] == [
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in sections
    ]


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_within_the_repository_leads_somewhere():
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)", README)
    assert len(links) > 30
    for target, anchor in links:
        file = ROOT / (target or "README.md")
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file.read_text()), f"{target}#{anchor}"
