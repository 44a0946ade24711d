"""What the weights or pseudo-labels that a run begins with have learnt from, and what that means for its scores."""

import warnings
from pathlib import Path

from lightning_flowers.data.class_names import clean_name
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.data.splits.fingerprints import difference
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.run.results import Run, read_run


def judge_origin(file: Path, data: PetalsDataModule) -> None:
    """Mark a run as external where it begins with what is of an external run, or of another data set, and as one of
    pseudo-labels where that has learnt from some; warn where that has seen its val records. Of files outside of a
    run's folder nothing is known.

    Args:
        file: a checkpoint or predictions of a run.
        data: of the run that begins with it; its splits are open.
    """
    folder = RunFolder(file.absolute().parent.parent)
    known_places = (folder.checkpoints, folder.answers("test").parent)
    if file.absolute().parent not in known_places or not folder.summary.is_file():
        return
    run, splits = read_run(folder.path), data.splits
    known = run.data
    splits.begun_pseudo = max(splits.begun_pseudo, known.pseudo_labelled)
    if known.external or not _of_same(run, data):
        splits.begun_external = True
        root = (run.settings or {}).get("data", {}).get("root") or known.root
        say("external", f"{folder.path} has learnt from other data ({root}): the run is marked external")
    elif splits.validates and (known.train_on, known.folds, known.fold) != (splits.train_on, splits.folds, splits.fold):
        warnings.warn(f"{folder.path}: has seen records that are val here: scores will be too good, "
                      "--data.train_on, .folds and .fold as there would keep them apart", stacklevel=2)  # fmt: skip
    elif splits.validates and known.size == data.size and _has_changed(known.fingerprints.get("val"), data):
        warnings.warn(f"{folder.path}: its data have changed since: it may have seen records that are val here: scores "
                      "may be too good", stacklevel=2)  # fmt: skip


def _has_changed(known: str | None, data: PetalsDataModule) -> bool:
    return known is not None and bool(difference(known, data.splits["val"].fingerprint))


def _of_same(run: Run, data: PetalsDataModule) -> bool:
    """Whether it is one data set: it lies in one place, or has as many records of the same classes, as at another
    size."""
    known, asked = run.data, (run.settings or {}).get("data", {})
    if known.root == data.source.where or asked.get("root") == (data.source.origin or ""):
        return True
    names = [{clean_name(name) for name in each} for each in (known.class_names, data.classes)]
    return names[0] == names[1] and known.records.get("train") == len(data.splits["train"])
