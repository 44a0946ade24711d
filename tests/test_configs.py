"""Every YAML in configs/ builds its model and takes a training step."""

import re
from pathlib import Path

import pytest
import yaml

from lightning_flowers.__main__ import main
from lightning_flowers.cli.parser import make_parser
from lightning_flowers.compare.study import RESULTS
from lightning_flowers.model.backbones import BACKBONES

FOLDER = Path(__file__).parent.parent / "configs"
CONFIGS, RECIPES = sorted(FOLDER.glob("*.yaml")), sorted((FOLDER / "recipes").glob("*.yaml"))
LAUNCHERS = sorted((FOLDER / "launch").iterdir())


def test_every_backbone_of_the_table_has_a_config():
    assert {path.stem for path in CONFIGS} == set(BACKBONES)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_studys_settings_are_as_the_study_had_them(path):
    settings, study = yaml.safe_load(path.read_text()), RESULTS.get(path.stem)
    assert settings["model"]["backbone"] == path.stem
    if study is not None:
        assert settings["trainer"]["max_epochs"] == study.epochs
        assert settings["model"]["freeze_backbone"] is not study.trainable
        assert settings["model"]["schedule"] == "starter"
        assert settings["data"] == {"size": 512, "batch_size": 128, "augment": "none"}


def test_each_recipe_is_there_and_says_its_command():
    assert [path.stem for path in RECIPES] == ["best", "frozen", "quick", "study"]
    for path in RECIPES:
        assert f"fit --config configs/recipes/{path.name}" in path.read_text().partition("trainer:")[0]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_what_fit_takes(path):
    read = make_parser("fit").parse_args(["--config", str(path)])
    for part, settings in yaml.safe_load(path.read_text()).items():
        assert settings == {name: read[part][name] for name in settings}


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_config_builds_and_takes_one_training_step(path, make_petals, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = make_petals(tmp_path / "petals", size=64, train=4, val=2, test=0, shards=1)
    flags = ["--model.weights=none", f"--data.root={root}", "--data.size=64", "--data.batch_size=2"]
    step = ["--trainer.accelerator=cpu", "--trainer.fast_dev_run=true"]
    assert main(["fit", "--config", str(path), *flags, *step]) == 0


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.name)
def test_a_launcher_gives_fit_what_it_takes(path, monkeypatch):
    monkeypatch.chdir(FOLDER.parent)
    text = path.read_text().replace("\\\n", " ").replace("$SKYPILOT_NUM_NODES", "2")
    commands = re.findall(r"lightning_flowers fit (.+?)(?: &)?$", text, flags=re.MULTILINE)
    assert commands
    for command in commands:
        make_parser("fit").parse_args(command.split())
