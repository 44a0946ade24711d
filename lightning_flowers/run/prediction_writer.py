"""Predictions gathered from all batches and processes, and what the first process writes of them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only
from numpy.typing import NDArray
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.calibration import log_loss
from lightning_flowers.evaluation.confusion import confusion_matrix, scores
from lightning_flowers.evaluation.decision import Adjustment, Decision, fit_adjustment
from lightning_flowers.run import submission
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import in_words, say
from lightning_flowers.run.predictions import Predictions, write_answers
from lightning_flowers.run.results import Data


class PredictionCollector(Callback):
    """Gathers what `predict_step` returns over batches and processes; `results` has one array per loader afterwards."""

    def __init__(self) -> None:
        self.results: list[NDArray[np.float32]] = []
        self._index: dict[int, list[Tensor]] = {}
        self._probabilities: dict[int, list[Tensor]] = {}

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.results, self._index, self._probabilities = [], {}, {}

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._index.setdefault(dataloader_idx, []).append(outputs["index"])
        self._probabilities.setdefault(dataloader_idx, []).append(outputs["probabilities"])

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loaders: Any = trainer.predict_dataloaders
        for number, loader in enumerate(loaders):
            index = hardware.all_rows(trainer, self._index[number])
            probabilities = hardware.all_rows(trainer, self._probabilities[number])
            merged = merge(len(loader.split), index.numpy(), probabilities.numpy(), loader.split.bad)
            self.results.append(merged)


@rank_zero_only
def write_predictions(
    folder: RunFolder, data: PetalsDataModule, results: list[NDArray[np.float32]], decision: Decision = "argmax"
) -> dict[str, Any]:
    """Write the probabilities of each split that `predict` reads, and the submission where test is among them.

    Args:
        results: of each split, float32 (records, classes).
        decision: how the submission's labels are chosen: the most probable class, or with logits adjusted for macro F1,
            as fitted on val.

    Returns:
        The scores of val: loss, accuracy, macro_f1, macro_f1_present; and what the decision was fitted to.

    Raises:
        DataError: the predictions make no valid submission.
    """
    facts: dict[str, Any] = {"decision": decision}
    adjustment: Adjustment | None = None
    for name, predictions in _by_split(data, results).items():
        predictions.save(folder.predictions(name))
        found = _scores(predictions)
        say("predicted", f"{folder.predictions(name)}{f': {in_words(found)}' if found else ''}")
        if name == "val" and predictions.labels is not None:
            facts["val"] = found
            if decision == "adjusted":
                adjustment = fit_adjustment(predictions.probabilities, predictions.labels)
                facts["adjustment"] = adjustment.facts()
                say("decision", adjustment.describe())
        decided = adjustment.decide(predictions.probabilities) if adjustment else None
        write_answers(folder, name, predictions, data.classes, decided)
        if name == "test":
            _submit(folder, data, predictions, decided)
    return facts


def collect_predictions(batches: Sequence[Any], data: PetalsDataModule) -> dict[str, Predictions]:
    """Put together what a Trainer of one's own predicted: `collect_predictions(trainer.predict(model, data), data)`.

    Args:
        batches: what `predict_step` gave for each batch, of val and test as far as there are any, by one process.

    Returns:
        Of each split its predictions in the split's order, without what fills up the last batch.

    Raises:
        UserError: a record was not predicted exactly once.
        DataError: the test split's ids are not those of the competition's sample submission.
    """
    names = data.names_for("predict")
    if not batches:
        raise UserError(f"batches={batches}: nothing was predicted, or by several processes: give devices=1")
    loaders = batches if isinstance(batches[0], list) else [batches]
    if len(loaders) != len(names):
        raise UserError(
            f"batches: of {len(loaders)} of the loaders of {' and '.join(names)}: give trainer.predict(model, data)"
        )
    results = []
    for name, steps in zip(names, loaders, strict=True):
        index, probabilities = (torch.cat([step[key].cpu() for step in steps]) for key in ("index", "probabilities"))
        split = data.splits[name]
        results.append(merge(len(split), index.numpy(), probabilities.numpy(), split.bad))
    return _by_split(data, results)


def _by_split(data: PetalsDataModule, results: list[NDArray[np.float32]]) -> dict[str, Predictions]:
    found = {}
    for name, probabilities in zip(data.names_for("predict"), results, strict=True):
        split, test = data.splits[name], name == "test"
        ids = submission.test_ids(split, data.source.sample_submission()) if test else split.ids
        found[name] = replace(_of_split(split, ids, probabilities, fill=test), external=data.splits.external)
    return found


def _submit(
    folder: RunFolder, data: PetalsDataModule, predictions: Predictions, labels: NDArray[np.int64] | None
) -> None:
    beyond = Data.model_validate(data.summary()).beyond
    for path in submission.write_submission(folder.submission, predictions, data.source.sample_submission(), labels):
        say("submission", f"{path}{f' (trained on {beyond})' if beyond else ''}")
    message = ", ".join(filter(None, [folder.path.name, beyond]))
    send = submission.how_to_send(folder.submission, data.classes, data.source.where, message)
    if send:
        say("send it", send)


def _of_split(split: Split, ids: NDArray[np.str_], probabilities: NDArray[np.float32], fill: bool) -> Predictions:
    """The predictions of a split's records; those that could not be read are left out.

    With `fill`, as for a submission, they get the mean probabilities of the others.
    """
    read = np.ones(len(split), np.bool_)
    read[list(split.bad)] = False
    if fill:
        probabilities = np.where(read[:, None], probabilities, probabilities[read].mean(0))
        read[:] = True
    labels = split.labels[read]
    return Predictions(ids[read], probabilities[read], labels if (labels >= 0).all() else None)


def _scores(predictions: Predictions) -> dict[str, float]:
    """Of predictions whose labels are known; none of others."""
    labels, probabilities = predictions.labels, predictions.probabilities
    if labels is None:
        return {}
    confusion = confusion_matrix(labels, probabilities.argmax(1), probabilities.shape[1])
    return {"loss": log_loss(probabilities, labels), **scores(confusion)._asdict()}


def merge(
    records: int, index: NDArray[np.int64], probabilities: NDArray[np.float32], bad: Collection[int] = ()
) -> NDArray[np.float32]:
    """Put probabilities (n, classes) into the order of their `index` (n,), leaving out padding (-1).

    Args:
        records: of the split.
        index, probabilities: of what was predicted.
        bad: records that could not be read; their rows are nan.

    Raises:
        UserError: another record was not predicted exactly once (as with --trainer.limit_predict_batches).
    """
    known = index >= 0
    counts = np.bincount(index[known], minlength=records)
    counts[list(bad)] = 1
    if len(counts) != records or (counts != 1).any():
        raise UserError(
            f"{int((counts != 1).sum())} of {records} records were not predicted exactly once: "
            "predict needs them all: drop --trainer.limit_predict_batches (with a Trainer of your own, take one device)"
        )
    merged = np.full((records, probabilities.shape[1]), np.nan, np.float32)
    merged[index[known]] = probabilities[known]
    return merged
