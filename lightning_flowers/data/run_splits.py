"""The splits of a run: those of its data set, or joined, folded, and with shards of other data sets."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lightning_flowers.data.class_names import class_order
from lightning_flowers.data.pseudo_labels import with_pseudo_labels
from lightning_flowers.data.sources.competition import SPLITS, Source, read_labels
from lightning_flowers.data.splits.folds import fold_positions
from lightning_flowers.data.splits.split import Split, join
from lightning_flowers.errors import DataError, UserError

TrainOn = Literal["train", "train+val"]
_SEED = 0  # of the folds: runs of all seeds and backbones validate on the same records


class Splits(dict[str, Split]):
    """The splits of a run by their names: train, val and test, each opened when it is first asked for.

    Args:
        size: side of the pictures in pixels.
        train_on: what to train on; after `train+val` (or that of them which is there) nothing is left to validate on.
        folds, fold: train+val are cut into so many folds, and this one, from 0, is val.
        extra: data sets whose train split is trained on too.
        skip: whether damaged records are left out.
        test_labels: CSV with the columns id and label of the test split.
        pseudo_labels: CSV of records of test that are trained on too, with these labels.
        threshold: the least probability of a pseudo-label.

    Raises:
        UserError: settings that exclude each other, or another data set that does not fit.
    """

    def __init__(
        self,
        source: Source,
        size: int,
        train_on: TrainOn = "train",
        folds: int | None = None,
        fold: int | None = None,
        extra: Sequence[Source] = (),
        skip: bool = False,
        test_labels: str | None = None,
        pseudo_labels: str | None = None,
        threshold: float = 0.0,
    ) -> None:
        super().__init__()
        self.source, self.size, self.train_on, self.folds, self.fold = source, size, train_on, folds, fold
        self.extra, self.skip, self.test_labels = extra, skip, test_labels
        self.pseudo_labels, self.threshold, self._added = pseudo_labels, threshold, 0
        self.begun_pseudo = 0  # pseudo-labels that what training begins with has learnt from
        self.begun_external = False  # whether the weights that training begins with have learnt from other data sets
        if (self.folds is None) != (self.fold is None):
            raise UserError("--data.folds and --data.fold belong together: the number of folds, and which is val")
        if self.folds is not None and (self.folds < 2 or self.train_on != "train"):
            raise UserError(f"--data.folds={self.folds}: must be 2 or more, and goes without --data.train_on")
        if self.folds is not None and self.fold is not None and not 0 <= self.fold < self.folds:
            raise UserError(f"--data.fold={self.fold}: must be in 0..{self.folds - 1} with --data.folds={self.folds}")
        for number, other in enumerate(self.extra):
            self._check_extra(other)
            if other.given in [one.given for one in self.extra[:number]]:
                raise UserError(f"--data.extra_roots: {other.given} stands twice: leave one out")

    def __missing__(self, name: str) -> Split:
        if name not in SPLITS:
            raise KeyError(name)
        self[name] = self.open(name)
        return self[name]

    def __repr__(self) -> str:
        """Which there are, in words: a dict would show those alone that were asked for."""
        told = (f"{len(self[name])} records" if name in self else "not opened yet" for name in SPLITS)
        return (
            f"Splits({', '.join(f'{name}: {one}' for name, one in zip(SPLITS, told, strict=True) if self.has(name))})"
        )

    @property
    def validates(self) -> bool:
        """Whether something is left to validate on."""
        return self.train_on == "train"

    def has(self, name: str) -> bool:
        """Whether there is such a split: folds have a val even where the data have none."""
        if name == "val" and self.folds:
            return True
        return self.source.has(name, self.size) and (self.validates or name != "val")

    @property
    def external(self) -> bool:
        """Whether shards of other data sets are trained on, or were, before the run."""
        return len(self.extra) > 0 or self.begun_external

    @property
    def pseudo_labelled(self) -> int:
        """How many pseudo-labels of test are trained on, or were before the run."""
        return max(self._added, self.begun_pseudo)

    def label(self, name: str | None, default: str, seed: int) -> str:
        """A run's name: `name`, else `default` with fold, train+val, any seed but 0, and what was trained on beside."""
        if name is not None:
            return name
        parts = [default.rpartition("/")[2]]  # hf-hub:OWNER/BACKBONE
        parts += [f"fold{self.fold}"] if self.folds else []
        parts += [] if self.validates else ["trainval"]
        parts += [f"seed{seed}"] if seed else []
        parts += ["pseudo"] if self.pseudo_labels else []
        return "-".join([*parts, *(["external"] if self.external else [])])

    def describe(self) -> str:
        """How many records were opened, in words, and of which other data sets; and which classes cannot be learnt."""
        counts = ", ".join(f"{len(split)} {name}" for name, split in self.items()) or "none opened yet"
        more = f", with external data of {', '.join(map(self._name_extra, self.extra))}" if self.extra else ""
        pseudo = f", of which {self._added} of test with pseudo-labels" if self._added else ""
        return f"records: {counts}{pseudo}{more}{self._describe_missing()}"

    def summary(self) -> dict[str, Any]:
        """What a run's summary says of its splits."""
        return {
            "records": {name: len(split) for name, split in self.items()},
            "fingerprints": {name: split.fingerprint for name, split in self.items()},
            "train_on": self.train_on,
            "folds": self.folds,
            "fold": self.fold,
            "external": self.external,
            "pseudo_labelled": self.pseudo_labelled,
            "extra_roots": [other.where for other in self.extra],
            "bad_records": {name: list(map(str, split.bad.values())) for name, split in self.items() if split.bad},
        }

    def open(self, name: str) -> Split:
        """Open a split of the run anew.

        Raises:
            DataError: something is wrong with a shard, a record or the labels of test, or there is no val.
        """
        if name == "val" and self.validates and not self.has("val"):
            folds = min(5, len(self._open(self.source, "train")) if self.has("train") else 0)
            cut = f", or --data.folds={folds} --data.fold=0 to cut one" if folds > 1 else ""
            mend = f"give --data.train_on=train+val to train without{cut}"
            raise DataError(f"{self.source.given}: has no val of {self.size} px: {mend}")
        if self.folds and name != "test":
            split = self._folded(name)
        elif name == "train" and not self.validates:
            split = self._train_and_val()
        else:
            split = self._open(self.source, name)
        if name == "test" and self.test_labels is not None:
            split.labels = np.array(self._read_test_labels(self.test_labels, split), dtype=np.int64)
        return self._with_pseudo_labels(self._with_extra(split)) if name == "train" else split

    def _train_and_val(self) -> Split:
        parts = [part for part in ("train", "val") if self.source.has(part, self.size)] or ["train"]
        return join([self._open(self.source, part) for part in parts], f"{self.source.where}: train+val")

    def _folded(self, name: str) -> Split:
        assert self.folds is not None
        assert self.fold is not None
        both = self._train_and_val()
        if self.folds > len(both):
            raise UserError(f"--data.folds={self.folds}: more than the {len(both)} records: give fewer")
        train, val = fold_positions(both.labels, self.folds, self.fold, _SEED)
        positions = val if name == "val" else train
        return both.select(positions, f"{both.name}, {name} of fold {self.fold} of {self.folds}")

    def _with_extra(self, train: Split) -> Split:
        if not self.extra:
            return train
        return join(
            [train, *(self._open(self._mapped(other), "train") for other in self.extra)],
            f"{train.name} and external data",
        )

    def _with_pseudo_labels(self, train: Split) -> Split:
        if self.pseudo_labels is None:
            return train
        test, path = self._open(self.source, "test"), Path(self.pseudo_labels).expanduser()
        both = with_pseudo_labels(train, test, path, self.threshold, self.source.classes)
        self._added = len(both) - len(train)
        return both

    def _open(self, source: Source, name: str) -> Split:
        return source.open(name, self.size, self.skip)

    def _mapped(self, other: Source) -> Source:
        """Another data set with its labels in the order of this one's classes."""
        if other.classes == self.source.classes:
            return other
        return replace(other, order=tuple(class_order(self.source.classes, other.classes)))

    def _check_extra(self, other: Source) -> None:
        if {other.given, other.where} & {self.source.given, self.source.where}:
            raise UserError(f"--data.extra_roots: {other.given} is the data set itself: leave it out")
        try:
            self._mapped(other)
        except ValueError as error:
            raise UserError(
                f"--data.extra_roots: {other.given} has other classes than {self.source.given} ({error}): "
                "their classes.txt must name the same ones"
            ) from error
        if self.size not in other.sizes or not other.has("train", self.size):
            raise UserError(f"--data.extra_roots: {other.given} has no train shards of {self.size} px")

    def _read_test_labels(self, path: str, split: Split) -> list[int]:
        classes = len(self.source.classes)
        try:
            labels = read_labels(Path(path).expanduser(), split.ids.tolist())
        except DataError as error:
            raise DataError(f"--data.test_labels={error}") from error
        if not all(0 <= label < classes for label in labels):
            raise DataError(f"--data.test_labels={path}: a label is outside the classes 0..{classes - 1}")
        return labels

    def _name_extra(self, other: Source) -> str:
        mapped = other.classes != self.source.classes
        return f"{other.given}{' (classes in another order: mapped by name)' if mapped else ''}"

    def _describe_missing(self) -> str:
        """Which classes cannot be learnt, as far as is known without fetching a shard."""
        train = self.get("train")
        if train is None or train.remote:
            return ""
        missing = np.setdiff1d(np.arange(len(self.source.classes)), train.labels).tolist()
        first = ", ".join(self.source.classes[label] for label in missing[:3]) + (", ..." if len(missing) > 3 else "")
        return f"; no training record of {len(missing)} classes ({first})" if missing else ""
