"""What the command line's arguments mean before anything is built."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from lightning_flowers import strict_yaml
from lightning_flowers.cli.parsing import given
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import read_run
from lightning_flowers.secrets import MEND, is_missing, redacted

# What config.yaml of a run leaves out: it belongs to one command, not to the run.
_OF_ONE_COMMAND = (
    "config", "name", "runs_dir", "resume", "ckpt_path", "weights_only", "report",
    "save_every_minutes", "save_every_steps", "predict", "hours", "save_top_k",
)  # fmt: skip
RUNS_DIR = "runs"  # where run folders are made
_OF_A_RUN = ("data", "model", "trainer")


def expand_run(args: list[str]) -> list[str]:
    """Put the config of `--run X` or `--resume X` before the other arguments, so that those override it.

    Raises:
        UserError: no such folder, more than one, or a config that holds no settings.
    """
    for _, path in given(args, "--config", "-c"):
        _check_config(Path(path))
    runs = [run for run in given(args, "--run", "--resume") if run[1] != "null"]  # as fit(resume=None) gives none
    if not runs:
        return args
    flag, value = runs[-1]
    if not value:
        raise UserError(f"{flag}: give a run folder, such as runs/densenet201")
    if len(runs) > 1:
        raise UserError(f"{flag}={value}: give one run folder, not {len(runs)}")
    folder = RunFolder.open(Path(value), flag)
    _check_run(folder)
    return [args[0], "--config", str(folder.config), *args[1:]]


def choose_checkpoint(command: str, config: Namespace) -> tuple[RunFolder | None, str | None]:
    """The run folder and the checkpoint that a command is to start from; none of either for a new fit.

    Raises:
        UserError: there is none where one is needed, or it is no checkpoint; a secret was left out.
    """
    _check_secrets(command, config)
    folder, checkpoint = None, config.get("ckpt_path")
    if command == "fit":
        if config.resume:
            if config.name or config.trainer.fast_dev_run:
                raise UserError("--resume goes on in the run's own folder: leave out --name and fast_dev_run")
            folder = RunFolder.open(Path(config.resume), "--resume")
            checkpoint = str(folder.last_checkpoint())
    elif config.run:
        folder = RunFolder.open(Path(config.run), "--run")
        checkpoint = checkpoint or str(folder.checkpoint())
    elif not checkpoint:
        raise UserError(f"{command}: give --run=runs/NAME (or --config and --ckpt_path)")
    elif command == "predict" and not config.out:
        raise UserError("predict: give --out=FOLDER for the predictions of --ckpt_path (or --run=runs/NAME)")
    if checkpoint:
        _check_file(checkpoint)
    return folder, checkpoint


def run_config(settings: dict[str, Any], data: PetalsDataModule) -> str:
    """config.yaml of a run, from which it can be repeated, resumed and used from any folder; secrets are left out."""
    settings = _of_text(settings)
    settings["data"]["size"] = data.size
    if settings["data"].get("root") is not None:
        settings["data"]["root"] = data.source.given
    settings["model"]["weights"] = _absolute(settings["model"]["weights"])
    for name in ("pseudo_labels", "test_labels", "cache_dir"):
        if path := settings["data"].get(name):
            settings["data"][name] = str(Path(path).expanduser().absolute())
    settings["data"]["augment"] = data.augment.content
    settings["data"]["extra_roots"] = [other.given for other in data.splits.extra]
    return yaml.safe_dump(redacted({k: v for k, v in settings.items() if k not in _OF_ONE_COMMAND}), sort_keys=False)


def quiet_lightning() -> None:
    """Pass over warnings of what is meant to be so."""
    # True of every --run and --resume, and meant to be so.
    warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    warnings.filterwarnings("ignore", "The dirpath has changed from")
    # Our loaders do not shuffle then.
    warnings.filterwarnings("ignore", "You requested to overfit but enabled")
    # A frozen backbone is to be so.
    warnings.filterwarnings("ignore", r"Found \d+ module\(s\) in eval mode")
    # So it is in an epoch that --trainer.check_val_every_n_epoch leaves without validation.
    warnings.filterwarnings("ignore", r".*could not find the monitored key", category=UserWarning)


def _check_config(path: Path) -> None:
    """Fail where a file holds no settings; of one that is not there the parser says so."""
    if not path.is_file():
        return
    try:
        settings = strict_yaml.load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise UserError(f"{path}: holds no settings (data:, model:, trainer:): give a config that fit left")
    if part := next((part for part in _OF_A_RUN if not isinstance(settings.get(part, {}), dict | str)), None):
        raise UserError(
            f"{path}: {part}: {settings[part]}: holds no settings: indent them, a line each, or leave it out"
        )


def _check_run(folder: RunFolder) -> None:
    """Fail where a file of the run is damaged, also in what a command would need later or take a default for."""
    missing = [part for part in _OF_A_RUN if not isinstance(folder.read_config().get(part), dict)]
    if missing:
        raise UserError(f"{folder.config}: damaged (no settings of {', '.join(missing)}): restore it from a copy")
    if folder.summary.is_file():
        read_run(folder.path)


def _check_secrets(command: str, config: Namespace) -> None:
    """Fail where the run's config left out a secret that the command line does not give."""
    for flag, value in config.items():
        unused = command != "fit" and flag.startswith("trainer.logger")
        if isinstance(value, str | list | dict) and is_missing(value) and not unused:
            raise UserError(f"--{flag}={value}: {MEND}")


def _check_file(checkpoint: str) -> None:
    if not Path(checkpoint).is_file():
        raise UserError(f"--ckpt_path={checkpoint}: no such file")
    if not zipfile.is_zipfile(checkpoint):
        raise UserError(f"{checkpoint}: not a checkpoint, or a damaged one")


def _absolute(weights: str) -> str:
    """Weights as they can be named from any folder."""
    path = Path(weights.removeprefix("local-dir:")).expanduser()
    return weights if weights in ("timm", "none") or not path.exists() else str(path.absolute())


def _of_text(settings: Any) -> Any:
    """Settings without those that YAML cannot hold, which jsonargparse puts into words: defaults of callbacks, such as
    a torch.device, are taken anew."""
    if isinstance(settings, list):
        return [_of_text(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    kept = {
        name: value for name, value in settings.items() if not str(value).startswith("Unable to serialize instance")
    }
    return {name: _of_text(value) for name, value in kept.items()}
