"""What a command is going to read, opened and checked before anything is written."""

import warnings

from jsonargparse import Namespace

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.run.submission import test_ids

_CHANGED = "it may have been trained on some of these records: scores may be too good"


def check_data(command: str, settings: Namespace, data: PetalsDataModule, run: RunFolder | None, own: bool) -> None:
    """Open the splits that a command reads.

    Args:
        command: fit, validate, test or predict.
        run: whose checkpoint is used, if it is a run's.
        own: whether the command writes into the run's folder.

    Raises:
        UserError: the data are not such as the command, or the run, needs.
    """
    names, splits = _splits(command, data), data.splits
    if settings.get("decision") == "adjusted" and "val" not in names:
        raise UserError("--decision=adjusted: is fitted on val, and the run has none: leave it out")
    for name in names:
        splits[name]
    writes = command in ("fit", "predict")
    if writes and "test" in names and not splits["test"].remote:
        test_ids(splits["test"], data.source.sample_submission())
    if run is None:
        return
    found = {name: (splits[name].name, splits[name].fingerprint) for name in names}
    if writes and own:
        run.check_data(found, "give --out=FOLDER" if command == "predict" else "start a new run")
    elif "val" in names and _of_same(run, settings, data):
        try:
            run.check_data({"val": found["val"]}, _CHANGED)
        except UserError as error:
            warnings.warn(str(error), stacklevel=2)


def find_test_labels(data: PetalsDataModule) -> None:
    """Take the labels of test that lie beside the shards, where none are given."""
    labels = data.source.beside("test_labels.csv")
    if labels is not None and data.splits.test_labels is None:
        data.splits.test_labels = str(labels)
        say("labels", str(labels))


def why_in_order(command: str, data: PetalsDataModule, own: bool) -> str | None:
    """Why the data must have their classes in the order of the checkpoint's, and the mend; None where they need not.

    Args:
        command: fit, validate, test or predict.
        own: whether the command writes into the run's folder.
    """
    if data.splits.folds:  # which are cut by label
        return "its folds would hold other records: put them back"
    keeps = {"fit": "a run goes on with the same: put them back", "predict": "give --out=FOLDER"}
    return keeps.get(command) if own else None


def _of_same(run: RunFolder, settings: Namespace, data: PetalsDataModule) -> bool:
    """Whether the data are those that the run was trained on, by where they lie: they may have changed since."""
    known = run.read_config()["data"]
    return (known.get("root"), known.get("size")) == (settings.data.root, data.size)


def _splits(command: str, data: PetalsDataModule) -> tuple[str, ...]:
    lacks = {"test": not data.splits.has("test"), "predict": not data.names_for("predict")}
    if lacks.get(command):
        which = "no test split" if command == "test" else "neither val nor test"
        raise UserError(
            f"{command}: {data.source.given} has {which} of {data.size} px: give --data.root=FOLDER with it"
        )
    if command == "test" and data.splits.test_labels is None:
        raise UserError("test: the test split has no labels: give --data.test_labels=FILE.csv, or use predict")
    if command == "validate" and not data.splits.validates:
        raise UserError("validate: the run was trained on train+val (--data.train_on): nothing is left to score")
    has_test = command == "fit" and data.splits.has("test")
    return (*data.names_for(command), *(("test",) if has_test else ()))
