"""Predictions of a split: as .npz, and as a table for people and spreadsheets. Needs no torch."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.files import atomic_file, csv_text, write_text
from lightning_flowers.run.folder import RunFolder


@dataclass(frozen=True)
class Predictions:
    """Probabilities of each record of a split, in the split's order.

    Attributes:
        ids: strings (records,).
        probabilities: float32 (records, classes), each row summing to 1.
        labels: int64 (records,), or None where they are unknown.
        external: whether the model was trained on other data sets too.
    """

    ids: NDArray[np.str_]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None
    external: bool = False

    def save(self, path: Path) -> None:
        """Write the arrays to a .npz that appears once it is whole."""
        arrays: dict[str, Any] = {
            "ids": self.ids,
            "probabilities": self.probabilities,
            "external": np.array(self.external),
        }
        if self.labels is not None:
            arrays["labels"] = self.labels
        with atomic_file(path) as part, part.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], labelled: bool = False) -> "Predictions":
        """Read what `save` wrote.

        Args:
            labelled: whether labels are needed.

        Raises:
            UserError: no such file, or it cannot be used: it is damaged, a probability is not a number of 0 or more, an
                id stands twice, or labels are missing.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"{path}: no such predictions: make them with predict --run {path.parent.parent}")
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                loaded = cls(
                    arrays["ids"], arrays["probabilities"], _labels(arrays.get("labels")), bool(arrays["external"])
                )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise _damaged(path, str(error)) from error
        _check(loaded, path)
        if labelled and loaded.labels is None:
            raise UserError(f"{path}: has no labels: scores need those of the val split")
        return loaded


def write_answers(
    folder: RunFolder,
    split: str,
    predictions: Predictions,
    classes: Sequence[str],
    labels: NDArray[np.int64] | None = None,
) -> None:
    """Write predictions/SPLIT.csv: id,label,name,probability of the class that each record is taken for.

    Probabilities are those of the .npz, not calibrated.

    Args:
        classes: names; none gives their numbers.
        labels: int64 (records,), decided otherwise than for the most probable class.
    """
    chosen: NDArray[np.int64] = predictions.probabilities.argmax(1) if labels is None else labels
    names = [classes[label] if classes else str(label) for label in chosen]
    probabilities = [f"{value:.6f}" for value in predictions.probabilities[np.arange(len(chosen)), chosen]]
    rows = zip(predictions.ids.tolist(), chosen.tolist(), names, probabilities, strict=True)
    write_text(folder.answers(split), csv_text(("id", "label", "name", "probability"), rows))


def _labels(labels: Any) -> Any:
    """Whole numbers of any width as int64."""
    return labels.astype(np.int64) if labels is not None and labels.dtype.kind in "iu" else labels


def _check(loaded: Predictions, path: Path) -> None:
    probabilities, labels = loaded.probabilities, loaded.labels
    records = (len(loaded.ids),)
    if loaded.ids.ndim != 1 or probabilities.ndim != 2 or probabilities.shape[:1] != records:
        raise _damaged(path, "ids and probabilities do not match")
    kinds = probabilities.dtype.kind, "i" if labels is None else labels.dtype.kind
    if kinds[0] != "f" or kinds[1] not in "iu":
        raise _damaged(path, "probabilities or labels are no numbers")
    classes = probabilities.shape[1]
    if labels is not None and (labels.shape != records or not ((labels >= 0) & (labels < classes)).all()):
        raise _damaged(path, "a label is missing, or no class")
    broken = ~(np.isfinite(probabilities) & (probabilities >= 0)).all(1)
    if broken.any():
        raise UserError(
            f"{path}: record {loaded.ids[broken][0]}: its probabilities are not numbers of 0 or more "
            f"({broken.sum()} such records): did the training diverge?"
        )
    if classes < 2 or not np.allclose(probabilities.sum(1), 1, atol=0.01):
        raise _damaged(path, "probabilities of a record do not sum to 1")
    ids, counts = np.unique(loaded.ids, return_counts=True)
    if (counts > 1).any():
        twice = ids[counts > 1][0]
        raise UserError(f"{path}: the id {twice} stands more than once: each record of the data needs its own")


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path}: damaged ({why}): make it anew with predict --run {path.parent.parent}")
