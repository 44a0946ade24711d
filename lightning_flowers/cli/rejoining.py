"""The run that a command goes on with or uses, as each of its processes can read it, whatever disk that has."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
import yaml

from lightning_flowers import hardware
from lightning_flowers.cli.arguments import RUNS_DIR
from lightning_flowers.cli.parsing import given, without
from lightning_flowers.run.classes import load_checkpoint
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say

_FLAGS = ("--run", "--resume")


class Joined(NamedTuple):
    """A command line as a process is to go by it.

    Args:
        args: the command line.
        launch: what names this launch in a run's summary; None where no launcher is known.
        again: whether it goes on with the run that the launch had begun.
    """

    args: list[str]
    launch: str | None
    again: bool


@contextmanager
def joined(args: list[str]) -> Iterator[Joined]:
    """Have all processes of a launch use the run that the first is given, or that the launch has begun and is started
    again to go on with. The others get a folder of what is read of a run before its checkpoint is loaded.

    Raises:
        UserError: a process has not come, or the first cannot read the run.
    """
    launch = hardware.launched()
    if launch is None:
        yield Joined(args, None, False)
        return
    key = hashlib.sha256("\0".join([launch.name, *args]).encode(errors="surrogateescape")).hexdigest()[:16]
    path, files, again = hardware.agree(launch, partial(_decide, args, key))
    with TemporaryDirectory() as folder:
        if path is not None:
            if again:
                say("restarted", f"{launch.name}: goes on with {path}")
            if launch.place.global_rank():
                path = _unpack(files, Path(folder) / Path(path).name)
            args = _with(args, path, again)
        yield Joined(args, key, again)


def _decide(args: list[str], key: str, restarted: bool) -> tuple[str | None, dict[str, bytes], bool]:
    """On the first process: the run's folder, the files that the others need of it, and whether the launch began it."""
    named = given(args, *_FLAGS)
    if named:
        flag, path = named[-1]
        return path, _pack(RunFolder.open(Path(path), flag)), False
    begun = _begun(Path(_runs_dir(args)), key) if restarted and args[0] == "fit" else None
    return (str(begun.path), _pack(begun), True) if begun else (None, {}, False)


def _begun(runs: Path, key: str) -> RunFolder | None:
    """The run that a launch has begun and saved; of several the one that was saved last."""
    folders = [RunFolder(path.parent.parent) for path in runs.glob("*/checkpoints/last.ckpt")]
    mine = [folder for folder in folders if folder.read_summary().get("launch") == key]
    return max(mine, key=lambda folder: folder.last.stat().st_mtime, default=None)


def _runs_dir(args: list[str]) -> str:
    """Where the command makes run folders; the last word has a flag."""
    configs = [yaml.safe_load(Path(path).read_text("utf-8")) for _, path in given(args, "--config", "-c")]
    named = [config["runs_dir"] for config in configs if isinstance(config, dict) and "runs_dir" in config]
    return [RUNS_DIR, *named, *(path for _, path in given(args, "--runs_dir"))][-1]


def _pack(run: RunFolder) -> dict[str, bytes]:
    """A run's settings and results by the names of their files, and its checkpoints without their tensors."""
    texts = (run.config, run.summary, run.metrics)
    files = {path.name: path.read_bytes() for path in texts if path.is_file()}
    return files | {f"checkpoints/{path.name}": _facts(path) for path in (run.best, run.last) if path.is_file()}


def _facts(checkpoint: Path) -> bytes:
    """What is read of a checkpoint before it is loaded."""
    file = io.BytesIO()
    torch.save({"class_names": load_checkpoint(checkpoint).get("class_names")}, file)
    return file.getvalue()


def _unpack(files: dict[str, bytes], folder: Path) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return str(folder)


def _with(args: list[str], run: str, again: bool) -> list[str]:
    """The command line with that run: in the place of the one it names, or to go on with, which has its name."""
    if again:
        return [*without(args, "--name"), f"--resume={run}"]
    flag, _ = given(args, *_FLAGS)[-1]
    return [*without(args, flag), f"{flag}={run}"]
