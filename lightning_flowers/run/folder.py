"""What a run leaves behind, and where."""

import json
import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from lightning_flowers import strict_yaml
from lightning_flowers.data.splits.fingerprints import difference
from lightning_flowers.errors import UserError
from lightning_flowers.files import read_lines, write_text
from lightning_flowers.secrets import redacted

_SHOWN = 5  # of the runs in a folder


class RunFolder:
    """The folder `runs/NAME` of one run.

    config.yaml             every setting of the run
    metrics.csv             one row per epoch
    checkpoints/best.ckpt   of the epoch with the highest macro F1 on val
    checkpoints/last.ckpt   of the last finished epoch, or from inside the current one, to resume from
    checkpoints/epoch-N.ckpt  weights of the best epochs, if more than one were to be kept
    summary.json            results, hardware, versions, seed, data
    predictions/SPLIT.npz   ids, probabilities, labels if known
    predictions/SPLIT.csv   id, label, name and probability of the class that each record is taken for
    submission.csv          id,label of each test record
    seconds-used.txt        of the hours that it was given, if it was
    tensorboard/            the history as TensorBoard events
    curves.png              the history as curves
    confusion.png           which classes are taken for which, on val
    classes.csv             precision, recall, F1 and support of each class, on val
    reliability.png         how far probabilities can be believed, on val
    suspects.csv            val records whose label may be wrong
    report.html             all of this on one page
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.csv"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best.ckpt"
        self.last = self.checkpoints / "last.ckpt"
        self.summary = path / "summary.json"
        self.seconds_used = path / "seconds-used.txt"
        self.submission = path / "submission.csv"
        self.curves = path / "curves.png"
        self.confusion = path / "confusion.png"
        self.classes = path / "classes.csv"
        self.reliability = path / "reliability.png"
        self.suspects = path / "suspects.csv"
        self.page = path / "report.html"
        self.made = False

    @classmethod
    def new(cls, runs: Path, name: str) -> "RunFolder":
        """The first of NAME, NAME-2, NAME-3, ... that is not there yet; nothing is made.

        Raises:
            UserError: the name is none, or leads elsewhere.
        """
        if name in ("", "..") or Path(name).name != name:
            raise UserError(f"--name={name}: must be a folder's name by itself: --runs_dir says where it is made")
        number = 1
        while (path := runs / (name if number == 1 else f"{name}-{number}")).exists():
            number += 1
        return cls(path)

    @classmethod
    def of_many(cls, runs: Path, name: str) -> Path:
        """The folder of a search or a campaign, which goes on where it is there.

        Raises:
            UserError: the name is none, or leads elsewhere, or the folder is a run's.
        """
        cls.new(runs, name)
        if cls(runs / name).config.exists():
            raise UserError(f"--name={name}: {runs / name} is the folder of a run: give another name")
        return runs / name

    @classmethod
    def open(cls, path: Path, flag: str | None = None) -> "RunFolder":
        """The folder of a run that was made before, as `flag` names it, if one does.

        Raises:
            UserError: no such folder, or it is not a run's.
        """
        folder, named = cls(path), f"{flag}={path}" if flag else path
        if not path.is_dir():
            raise UserError(f"{named}: {no_folder(path)}")
        if not folder.config.is_file():
            raise UserError(f"{named}: no config.yaml in it: not a folder that fit made{runs_in(path)}")
        if folder.read_summary().get("backbone") == "ensemble":
            raise UserError(f"{named}: a blend of runs has no model of its own: give one of its runs")
        return folder

    def make(self) -> None:
        """Make the folder.

        Raises:
            UserError: it cannot be made or written to.
        """
        try:
            self.checkpoints.mkdir(parents=True)
            self.made = True
        except FileExistsError as error:
            raise UserError(f"{self.path}: another run has just taken that folder: start again") from error
        except OSError as error:
            raise UserError(f"{self.path}: cannot be made: {error.strerror}: choose another --runs_dir") from error

    def is_writable(self) -> bool:
        """Whether files can be made in it."""
        return all(os.access(path, os.W_OK) for path in (self.path, self.checkpoints) if path.exists())

    def discard_untrained(self) -> None:
        """Remove the folder if this process made it and nothing was learnt in it: a refused run leaves nothing."""
        if self.made and not (self.metrics.exists() or self.last.exists() or self.best.exists()):
            shutil.rmtree(self.path, ignore_errors=True)
            with suppress(OSError):  # other runs are there
                self.path.parent.rmdir()

    def checkpoint(self) -> Path:
        """The best checkpoint; the last one of a run that had no validation to choose by.

        Raises:
            UserError: the run has none.
        """
        if not self.best.is_file() and self.last.is_file() and self.read_summary().get("best", "") is None:
            return self.last
        if folds := self.read_summary().get("folds_of"):
            raise UserError(f"--run={self.path}: is what the folds {', '.join(folds)} say: give one of them")
        if not self.best.is_file():
            resume = f", resume it: fit --resume {shlex.quote(str(self.path))}"
            hint = resume if self.last.is_file() else ": train it anew"
            raise UserError(f"--run={self.path}: has no {self.best.relative_to(self.path)}{hint}")
        return self.best

    def last_checkpoint(self) -> Path:
        """The checkpoint to resume from.

        Raises:
            UserError: the run has none.
        """
        if not self.last.is_file():
            raise UserError(f"--resume={self.path}: has no {self.last.relative_to(self.path)}: train it anew")
        return self.last

    def of_epoch(self, epoch: int) -> Path:
        """Where the weights of an epoch, counted from 1, lie if they are kept."""
        return self.checkpoints / f"epoch-{epoch}.ckpt"

    def kept_epochs(self) -> list[Path]:
        """The weights of epochs that are kept, the latest last."""
        found = self.checkpoints.glob("epoch-*.ckpt")
        return sorted(found, key=lambda path: int(path.stem.removeprefix("epoch-")))

    def check_data(self, splits: dict[str, tuple[str, str]], mend: str) -> None:
        """Fail if the run was made with other data.

        Args:
            splits: name and fingerprint of each split.

        Raises:
            UserError: they are others.
        """
        known = self.read_summary().get("data", {}).get("fingerprints", {})
        for split, (name, fingerprint) in splits.items():
            if split in known and (what := difference(known[split], fingerprint)):
                raise UserError(f"{name}: not the {split} split of the run {self.path} ({what}): {mend}")

    def predictions(self, split: str) -> Path:
        """Where the predictions of a split lie."""
        return self.path / "predictions" / f"{split}.npz"

    def answers(self, split: str) -> Path:
        """Where the table of what was predicted of a split lies."""
        return self.path / "predictions" / f"{split}.csv"

    def read_config(self) -> dict[str, Any]:
        """The settings of config.yaml.

        Raises:
            UserError: it is damaged.
        """
        mend = "restore it from a copy"
        text = read_lines(self.config, mend)
        try:
            settings = strict_yaml.load(text)
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            raise UserError(f"{self.config}: damaged ({' '.join(str(error).split())}): {mend}") from error
        if not isinstance(settings, dict):
            raise UserError(f"{self.config}: damaged (no settings in it): {mend}")
        return settings

    def read_summary(self) -> dict[str, Any]:
        """The summary, or nothing if the run has not come that far.

        Raises:
            UserError: it is damaged.
        """
        try:
            summary = json.loads(self.summary.read_text("utf-8")) if self.summary.is_file() else {}
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.summary}: damaged ({error}): remove it") from error
        if not isinstance(summary, dict):
            raise UserError(f"{self.summary}: damaged (not a JSON object): remove it")
        return summary

    def write_summary(self, values: dict[str, Any]) -> None:
        """Put `values` into summary.json, without secrets; other values in it stay."""
        write_text(self.summary, json.dumps(redacted({**self.read_summary(), **values}), indent=2) + "\n")


def no_folder(path: Path) -> str:
    """What to say of a path that is given for a run's folder, and is none."""
    return "not a folder: give that of a run" if path.exists() else "no such folder"


def runs_in(path: Path) -> str:
    """`: give one of the runs in it: A, B`, of a folder with runs, a campaign's or a search's; else ""."""
    found = sorted(str(each.parent) for runs in ("*", "*/*") for each in path.glob(f"{runs}/checkpoints"))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f": give one of the runs in it: {', '.join(found[:_SHOWN])}{more}" if found else ""
