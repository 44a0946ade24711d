"""The splits of a run: those of its data set, or joined, folded, and with shards of other data sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lightning_flowers.data.class_names import class_order
from lightning_flowers.data.sources.competition import SPLITS, Source
from lightning_flowers.data.splits.folds import fold_positions
from lightning_flowers.data.splits.split import Split, join
from lightning_flowers.errors import DataError, UserError

TrainOn = Literal["train", "train+val"]


_SEED = 0  # of the folds: runs of all seeds and backbones validate on the same records


@dataclass(frozen=True)
class Splits:
    """Opens the splits of a run.

    Args:
        source: the data set.
        size: side of the pictures in pixels.
        train_on: what to train on; after `train+val` (or that of them which is there) nothing is left to validate on.
        folds, fold: train+val are cut into so many folds, and this one, from 0, is val.
        extra: data sets whose train split is trained on too.
        skip: whether damaged records are left out.

    Raises:
        UserError: settings that exclude each other, or another data set that does not fit.
    """

    source: Source
    size: int
    train_on: TrainOn = "train"
    folds: int | None = None
    fold: int | None = None
    extra: Sequence[Source] = ()
    skip: bool = False

    def __post_init__(self) -> None:
        if (self.folds is None) != (self.fold is None):
            raise UserError("--data.folds and --data.fold belong together: the number of folds, and which is val")
        if self.folds is not None and (self.folds < 2 or self.train_on != "train"):
            raise UserError(f"--data.folds={self.folds}: must be 2 or more, and goes without --data.train_on")
        if self.folds is not None and self.fold is not None and not 0 <= self.fold < self.folds:
            raise UserError(f"--data.fold={self.fold}: must be in 0..{self.folds - 1} with --data.folds={self.folds}")
        for other in self.extra:
            self._check_extra(other)

    @property
    def validates(self) -> bool:
        """Whether something is left to validate on."""
        return self.train_on == "train"

    def has(self, name: str) -> bool:
        """Whether there is such a split: folds have a val even where the data have none."""
        if name == "val" and self.folds:
            return True
        return self.source.has(name, self.size) and (self.validates or name != "val")

    def open(self, name: str) -> Split:
        """Open a split of the run.

        Raises:
            DataError: something is wrong with a shard or a record, or there is no val.
        """
        assert name in SPLITS
        if name == "val" and self.validates and not self.has("val"):
            raise DataError(
                f"{self.source.where}: has no val of {self.size} px: give --data.train_on=train+val to train without, "
                "or --data.folds=5 --data.fold=0 to cut one"
            )
        if self.folds and name != "test":
            split = self._folded(name)
        elif name == "train" and not self.validates:
            split = self._train_and_val()
        else:
            split = self._open(self.source, name)
        return self._with_extra(split) if name == "train" else split

    def _train_and_val(self) -> Split:
        parts = [part for part in ("train", "val") if self.source.has(part, self.size)] or ["train"]
        return join([self._open(self.source, part) for part in parts], f"{self.source.where}: train+val")

    def _folded(self, name: str) -> Split:
        assert self.folds is not None
        assert self.fold is not None
        both = self._train_and_val()
        if self.folds > len(both):
            raise UserError(f"--data.folds={self.folds}: more than the {len(both)} records")
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

    def _open(self, source: Source, name: str) -> Split:
        return source.open(name, self.size, self.skip)

    def _mapped(self, other: Source) -> Source:
        """Another data set with its labels in the order of this one's classes."""
        if other.classes == self.source.classes:
            return other
        return replace(other, order=tuple(class_order(self.source.classes, other.classes)))

    def _check_extra(self, other: Source) -> None:
        if other.key == self.source.key:
            raise UserError(f"--data.extra_roots: {other.where} is the data set itself: leave it out")
        try:
            self._mapped(other)
        except ValueError as error:
            raise UserError(
                f"--data.extra_roots: {other.where} has other classes than {self.source.where} ({error}): "
                "their classes.txt must name the same ones"
            ) from error
        if self.size not in other.sizes or not other.has("train", self.size):
            raise UserError(f"--data.extra_roots: {other.where} has no train shards of {self.size} px")
