import ast
import importlib
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.plugins import XLAPrecision
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers import multiprocessing

import lightning_flowers
from lightning_flowers import lightning_internals

PACKAGE = Path(lightning_flowers.__file__).parent
OWNER = Path(lightning_internals.__file__)
PYPROJECT = PACKAGE.parent / "pyproject.toml"
LIGHTNING = ("pytorch_lightning", "lightning_fabric")
PRIVATE = re.compile(r"(?:def |self\.|class )(_[A-Za-z]\w*)")


def private_names(tree: ast.AST) -> set[str]:
    """Names with a leading underscore that are imported, defined or read of anything but the package's own modules."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.alias)}
    return {name for name in names if re.fullmatch(r"_[A-Za-z]\w*", name)}


def lightnings_own() -> set[str]:
    """The private names of Lightning's Trainer, loops, strategies, plugins, callbacks and modules; not of its CLI."""
    roots = [Path(importlib.import_module(name).__file__ or "").parent for name in LIGHTNING]
    files = [file for root in roots for file in root.rglob("*.py") if file.name != "cli.py"]
    return {name for file in files for name in PRIVATE.findall(file.read_text("utf-8"))} - set(dir(LightningCLI))


def taken(tree: ast.Module) -> set[str]:
    """Private names that a file takes from objects other than its own, from base classes, or by import."""
    found = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }
    origin: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(LIGHTNING):
            origin |= {name.asname or name.name: node.module or "" for name in node.names}
            found |= {name.name for name in node.names}
    for node in ast.walk(tree):
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            if isinstance(base, ast.Name) and base.id in origin:
                cls = getattr(importlib.import_module(origin[base.id]), base.id)
                found |= private_names(node) & {
                    name
                    for parent in cls.__mro__
                    if parent.__module__.startswith(LIGHTNING)
                    for name in PRIVATE.findall(inspect.getsource(parent))
                }
    return found


def test_lightning_has_every_private_name_that_is_used() -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    owners = {
        "_restarting": trainer.fit_loop,
        "_layer_sync": DDPStrategy(),
        "_data_fetcher": trainer.fit_loop,
        "_should_check_val_fx": trainer.fit_loop.epoch_loop,
        "_trainer": LightningModule(),
        "_checkpoint_connector": trainer,
        "_hpc_resume_path": trainer._checkpoint_connector,
        "_xla_wrap_closure": XLAPrecision,
        "_MultiProcessingLauncher": multiprocessing,
    }
    assert owners.keys() == private_names(ast.parse(OWNER.read_text("utf-8")))
    assert [name for name, owner in owners.items() if not hasattr(owner, name)] == []


def test_no_other_file_takes_a_private_name_of_lightnings() -> None:
    own, files = lightnings_own(), sorted(PACKAGE.rglob("*.py"))
    used = {str(file.relative_to(PACKAGE)): taken(ast.parse(file.read_text("utf-8"))) & own for file in files}
    assert used.pop(OWNER.name) >= {"_restarting", "_should_check_val_fx", "_xla_wrap_closure"}
    assert used.pop(str(Path("cli/internals.py"))) == {"_load_config"}  # jsonargparse has one too
    assert {file: names for file, names in used.items() if names} == {}


def test_the_installed_lightning_was_tested_and_the_next_minor_version_is_shut_out() -> None:
    if not PYPROJECT.is_file():
        pytest.skip("installed without its pyproject.toml")
    wanted = [Requirement(line) for line in tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"]]
    (specifier,) = (each.specifier for each in wanted if each.name == "pytorch-lightning")
    assert version("pytorch-lightning") in lightning_internals.TESTED
    assert all(tested in specifier for tested in lightning_internals.TESTED)
    major, minor, *_ = lightning_internals.TESTED[-1].split(".")
    assert f"{major}.{int(minor) + 1}.0" not in specifier
