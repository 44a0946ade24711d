"""What the weights that a run begins with were trained on, and what that means for its scores."""

import warnings
from pathlib import Path

from lightning_flowers.data.class_names import clean_name
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.run.results import Data, read_run


def judge_origin(checkpoint: Path, data: PetalsDataModule) -> None:
    """Mark a run as external where it begins with weights that were, or that learnt from another data set; warn where
    they have seen its val records. Of a checkpoint outside of a run's folder nothing is known.

    Args:
        checkpoint: of a run.
        data: of the run that begins with it; its splits are open.
    """
    folder = RunFolder(checkpoint.absolute().parent.parent)
    if folder.checkpoints != checkpoint.absolute().parent or not folder.summary.is_file():
        return
    known, splits = read_run(folder.path).data, data.splits
    if known.external or not _of_same(known, data):
        splits.begun_external = True
        say("weights", f"these have learnt from other data ({known.root}): the run is marked external")
    elif splits.validates and _cut(known) != (splits.train_on, splits.folds, splits.fold):
        warnings.warn(f"{folder.path}: its weights have seen records that are val here: scores will be too good, "
                      "--data.train_on, .folds and .fold as there would keep them apart", stacklevel=2)  # fmt: skip


def _cut(known: Data) -> tuple[str, int | None, int | None]:
    return known.train_on, known.folds, known.fold


def _of_same(known: Data, data: PetalsDataModule) -> bool:
    """Whether it is one data set: it lies in one place, or has as many records of the same classes, as at another
    size."""
    if known.root == data.source.where:
        return True
    names = [{clean_name(name) for name in each} for each in (known.class_names, data.classes)]
    return names[0] == names[1] and known.records.get("train") == len(data.splits["train"])
