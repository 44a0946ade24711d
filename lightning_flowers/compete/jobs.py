"""The commands of a campaign, each in a process of its own, and what is known of it afterwards."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path

from jsonargparse import Namespace

from lightning_flowers.cli.child import INTERRUPTED, last_words, run_command, with_contents
from lightning_flowers.compete import leaks
from lightning_flowers.compete.choice import FLIPS
from lightning_flowers.compete.folds import of_views
from lightning_flowers.compete.plan import Job, Model
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import read_run

_BATCHES = 10  # of a probe's epoch, each of train and val
# Of a probe, which is to tell the speed of an epoch without caches; what needs those, or more epochs, goes with them.
PROBED = (
    "--trainer.max_epochs=2", "--model.head_epochs=0", "--model.first_size=null",
    "--model.feature_cache=false", "--model.feature_views=0",
    "--data.cache=none", "--data.cache_dir=null",
)  # fmt: skip
# Lines of a command that are shown while it runs.
_SHOWN = re.compile(r"epoch |best |features |warning: |no picture was found in two")
_OF_PROBE = re.compile(r"epoch |warning: ")  # the rest is of settings that nobody gave, and scores of a few steps
_MOST = 0.9  # of a run that has not ended: it has predictions to make
# Flags that say where and on what to work: they may be others when a campaign goes on, on another machine or mount.
_PLACES = re.compile(
    r"--(data\.(root|features|threads|cache|cache_dir|remote_limit|test_labels|pseudo_labels)|trainer\.(accelerator|devices))="
)
_QUIET = ("--report=false", "--trainer.enable_progress_bar=false")


class CommandError(UserError):
    """A command of the campaign did not succeed; the message is the last that it said."""


def settings_of(flags: Sequence[str]) -> Namespace:
    """All settings that `fit` would have with these flags.

    Raises:
        UserError: a mistake in them, or a run of no length, which nothing could be planned by.
    """
    from lightning_flowers.cli.arguments import expand_run  # imported late: torch takes its time
    from lightning_flowers.cli.parser import make_parser
    from lightning_flowers.cli.settings import check_settings
    from lightning_flowers.model.backbones import timm_name
    from lightning_flowers.model.optimization import Optimization
    from lightning_flowers.model.ranges import check_ranges

    settings = make_parser("fit").parse_args(expand_run(["fit", *flags])[1:])
    check_settings("fit", settings, flags)
    check_ranges(settings.model)
    timm_name(settings.model.backbone)
    epochs = settings.trainer.max_epochs
    if epochs is None or epochs < 1:
        raise UserError(f"--trainer.max_epochs={epochs}: compete plans by the length of a run: give how many there are")
    optimization = Optimization(**{field.name: settings.model[field.name] for field in fields(Optimization)})
    optimization.check_length(optimization.head_epochs, epochs)
    return settings


def check(models: Sequence[Sequence[str]]) -> None:
    """Fail where `fit` would refuse the flags of one of several models, or the data that they name, before it trains.

    Raises:
        UserError: so it would.
    """
    from lightning_flowers.data.datamodule import PetalsDataModule  # imported late: torch takes its time
    from lightning_flowers.model.growth import check_growth

    for settings in [settings_of(flags) for flags in models]:  # of all, before data are opened, which may take long
        data = PetalsDataModule(**settings.data)
        check_growth(settings.model.first_size, data.size, settings.trainer.max_epochs)


def probe(
    name: str, flags: Sequence[str], folds: Sequence[str], folder: Path, log: Path
) -> tuple[Model, dict[str, int]]:
    """How fast a model is here: two epochs of a few batches, of which the second counts; and the records of each split.

    Args:
        folds: flags of the first of its folds, if there are any.

    Raises:
        UserError: it cannot be trained.
    """
    settings = settings_of(flags)
    shutil.rmtree(folder / name, ignore_errors=True)
    few = [f"--trainer.limit_{split}_batches={_BATCHES}" for split in ("train", "val")]
    own = [*PROBED, "--trainer.logger=false"]
    place = [f"--name={name}", f"--runs_dir={folder}", "--predict=false"]
    started = time.monotonic()
    execute(["fit", *flags, *folds, *few, *own, *place, *_QUIET], log, _OF_PROBE)
    took = time.monotonic() - started
    run = read_run(folder / name)
    if len(run.history) < 2:
        raise CommandError(f"ended before its second epoch, which tells its speed (all that it said: {log})")
    first, second = run.history
    batch = settings["data"]["batch_size"]
    trained = min(_BATCHES * batch, run.data.records["train"])
    train = second.images_per_second or 0.0
    evaluated = (second.seconds or 0.0) - trained / train
    val = min(_BATCHES * batch, run.data.records.get("val", 0)) / max(evaluated, 1e-3)
    start = took - (first.seconds or 0.0) - (second.seconds or 0.0)
    shutil.rmtree(folder)
    epochs = settings["trainer"]["max_epochs"]
    return Model(name, tuple(flags), epochs, start, train, val, _passes(settings)), run.data.records


def train(job: Job, folder: Path, log: Path, seconds: float) -> bool:
    """Train a run, or go on with it, for so many seconds at most; gives whether they cut it short.

    Raises:
        CommandError: it did not end well.
    """
    path, began = RunFolder(folder / job.name), time.monotonic()
    limit = f"--trainer.max_time={max_time(seconds)}"
    shutil.rmtree(of_views(folder, job.name).path, ignore_errors=True)  # of the weights that it had until now
    if path.last.is_file():
        execute(["fit", f"--resume={path.path}", *places(job.flags), limit, *_QUIET], log)
    else:
        shutil.rmtree(path.path, ignore_errors=True)  # cut off before it had learnt anything
        execute(["fit", *job.flags, f"--name={job.name}", f"--runs_dir={folder}", limit, *_QUIET], log)
    is_cut = time.monotonic() - began >= seconds and _share(path) < 1  # it may have stopped early by itself
    if not is_cut and path.best.is_file():
        path.last.unlink(missing_ok=True)  # with the optimizer's state, of which many fill a disk
    return is_cut


def is_done(folder: Path, name: str) -> bool:
    """Whether a run has ended, its predictions included."""
    summary = RunFolder(folder / name).read_summary()
    return summary.get("status") == "finished" and "predictions" in summary


def progress(folder: Path, cut: Collection[str]) -> dict[str, float]:
    """How much of each run is there, 0 to 1.

    Args:
        cut: names of those that have ended before their last epoch, as time was up.
    """
    found = {}
    for run in (RunFolder(path.parent) for path in folder.glob("*/summary.json")):
        name = run.path.name
        if is_done(folder, name) and name not in cut:
            found[name] = 1.0
        elif run.last.is_file():
            found[name] = min(_share(run), _MOST)
    return found


def places(flags: Sequence[str]) -> list[str]:
    """Those flags that may be others when a campaign goes on."""
    return [flag for flag in flags if _PLACES.match(flag)]


def asked(flags: Sequence[str]) -> list[str]:
    """Flags as a campaign is known by: without places, and files by their names and contents."""
    moved = set(places(flags))
    kept = [flag for flag in flags if flag not in moved]
    return [
        said if said == flag else f"{flag.partition('=')[0]}={Path(flag).name} {said.rpartition(' ')[2]}"
        for flag, said in zip(kept, with_contents(kept), strict=True)
    ]


def look_for_leaks(root: str | None, folder: Path, log: Path) -> None:
    """Have `records stats` say whether pictures stand in two splits; once for a campaign.

    Raises:
        CommandError: it did not end well.
    """
    if not (folder / leaks.FILE).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        execute(["records", "stats", *([root] if root else []), f"--out={folder}"], log)


def predict_views(folder: Path, name: str, flags: Sequence[str], log: Path) -> None:
    """Predict with the mirrored pictures too, into a folder `NAME-flips`, if that was not done.

    Raises:
        CommandError: it did not end well.
    """
    out = of_views(folder, name)
    if "predictions" not in out.read_summary():
        shutil.rmtree(out.path, ignore_errors=True)  # cut off
        where = [f"--run={folder / name}", f"--out={out.path}"]
        execute(["predict", *where, f"--tta={FLIPS}", *places(flags), *_QUIET], log)


def execute(args: Sequence[str], log: Path, shown: re.Pattern[str] = _SHOWN) -> None:
    """Run a command; all that it says goes to the end of a log, and what matters to the screen.

    Raises:
        CommandError: its exit status is not 0.
        KeyboardInterrupt: Ctrl-C ended it.
    """
    last = ""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as lines:

        def show(line: str, _: subprocess.Popen[str]) -> None:
            nonlocal last
            last = line.strip() or last
            lines.write(line)
            lines.flush()
            if shown.match(line):
                sys.stdout.write(f"  {line}")
                sys.stdout.flush()

        status = run_command(args, show)
    if status == INTERRUPTED:
        raise KeyboardInterrupt("interrupted; the same command goes on")
    if status:
        raise CommandError(f"{last_words(last)} (all that it said: {log})")


def max_time(seconds: float) -> str:
    """Seconds as Lightning wants them, DD:HH:MM:SS; at least one."""
    minutes, rest = divmod(max(1, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24:02}:{hours % 24:02}:{minutes:02}:{rest:02}"


def _share(run: RunFolder) -> float:
    """How many of its epochs a run has had, 0 to 1."""
    found = read_run(run.path)
    epochs = (found.settings or {}).get("trainer", {}).get("max_epochs")
    return min(1.0, (found.epochs or 0) / epochs) if epochs else 1.0


def _passes(settings: Namespace) -> int | None:
    """How many views of each picture are kept as features; None where each epoch is a pass over the pictures."""
    from lightning_flowers.model.features import feature_views  # imported late: torch takes its time

    return feature_views(settings["model"], settings["data"]["augment"] not in ("none", []))[0] or None
