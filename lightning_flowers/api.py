"""`fit` and `predict` from Python: the commands of these names, with settings in place of flags."""

import json
import os
from collections.abc import Mapping
from typing import Any

from lightning_flowers.cli.failures import as_refused_settings
from lightning_flowers.cli.lightning import FlowersCLI
from lightning_flowers.cli.parsing import at_home
from lightning_flowers.errors import UserError, path_text
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import Run, read_run


def fit(config: str | os.PathLike[str] | None = None, **settings: Any) -> Run:
    """Train as the command `fit` does, with a run folder; gives what the folder says of the run.

    Args:
        config: a YAML of settings, such as configs/densenet201.yaml.
        settings: the command's flags, those of data, model and trainer as dicts:
            `fit(data={"root": "petals"}, model={"lr": 1e-3}, trainer={"max_epochs": 3}, name="mine")`.

    Raises:
        UserError: whatever the command says in one line; it names the setting.
    """
    configs = [] if config is None else [f"--config={path_text('config', config)}"]
    command = _run(["fit", *configs, *_flags(settings)])
    if command.folder is None:
        raise UserError("trainer.fast_dev_run leaves no run folder: give it to a Trainer of your own")
    return read_run(command.folder.path)


def predict(run: str | os.PathLike[str], **settings: Any) -> dict[str, Predictions]:
    """Predict val and test, as far as there are any, as the command `predict` does; gives them by the split's name.

    Args:
        run: a run's folder, or what `fit` gave.
        settings: the command's flags, as for `fit`: `predict(run, tta="flips", out="runs/flips")`.

    Raises:
        UserError: whatever the command says in one line; it names the setting.
    """
    command = _run(["predict", f"--run={path_text('run', run)}", *_flags(settings)])
    assert command.out is not None
    splits = {name: command.out.predictions(name) for name in command.datamodule.names_for("predict")}
    return {name: Predictions.load(path) for name, path in splits.items()}


def _run(args: list[str]) -> FlowersCLI:
    with as_refused_settings():
        return FlowersCLI(at_home(args))


def _flags(settings: Mapping[str, Any]) -> list[str]:
    flags: dict[str, Any] = {}
    for name, value in settings.items():
        nested = name in ("data", "model", "trainer") and isinstance(value, Mapping)
        flags |= {f"{name}.{inner}": each for inner, each in value.items()} if nested else {name: value}
    return [f"--{name}={_text(name, value)}" for name, value in flags.items()]


def _text(name: str, value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    try:
        return json.dumps(value, default=_plain)
    except TypeError as error:
        raise UserError(
            f"{name}: {type(value).__name__} cannot be written into config.yaml: use a Trainer of your own"
        ) from error


def _plain(value: Any) -> Any:
    """What JSON has no words for: a path, and what is NumPy's."""
    return os.fspath(value) if isinstance(value, os.PathLike) or not hasattr(value, "tolist") else value.tolist()
