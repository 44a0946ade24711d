"""Predictions of a split: as .npz, and as a table for people and spreadsheets. Needs no torch."""

import os
import shlex
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError, path_text
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the arrays to a .npz that appears once it is whole."""
        arrays: dict[str, Any] = {
            "ids": self.ids,
            "probabilities": self.probabilities,
            "external": np.array(self.external),
        }
        if self.labels is not None:
            arrays["labels"] = self.labels
        with atomic_file(Path(path_text("path", path)).expanduser()) as part, part.open("wb") as file:
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
        path = Path(path_text("path", path)).expanduser()
        if not path.is_file():
            raise UserError(f"{path}: no such predictions: make them with {_predicting(path)}")
        if not is_zipfile(path):
            raise _damaged(path, "no .npz")  # numpy would advise to load what may run a program
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                loaded = cls(
                    arrays["ids"], arrays["probabilities"], _labels(arrays.get("labels")), bool(arrays["external"])
                )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise _damaged(path, str(error)) from error
        if wrong := fault(loaded):
            raise _damaged(path, wrong)
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


def fault(predictions: Predictions) -> str | None:
    """Why predictions cannot be used; None of those that can be."""
    return next(_faults(predictions), None)


def _faults(predictions: Predictions) -> Iterator[str]:
    """The first is right, those after it need not be."""
    ids, probabilities, labels = predictions.ids, predictions.probabilities, predictions.labels
    if ids.ndim != 1 or probabilities.ndim != 2 or len(probabilities) != len(ids):
        yield "ids and probabilities do not match"
    if probabilities.dtype.kind != "f" or (labels is not None and labels.dtype.kind not in "iu"):
        yield "probabilities or labels are no numbers"
    if labels is not None and (labels.shape != ids.shape or not np.isin(labels, range(probabilities.shape[1])).all()):
        yield "a label is missing, or no class"
    broken = ~(np.isfinite(probabilities) & (probabilities >= 0)).all(1)
    if broken.any():
        yield f"record {ids[broken][0]}: its probabilities are not numbers of 0 or more: did the training diverge?"
    if probabilities.shape[1] < 2 or not np.allclose(probabilities.sum(1), 1, atol=0.01):
        yield "probabilities of a record do not sum to 1"
    known, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        yield f"the id {known[counts > 1][0]} stands more than once: each record of the data needs its own"


def _labels(labels: Any) -> Any:
    """Whole numbers of any width as int64."""
    return labels.astype(np.int64) if labels is not None and labels.dtype.kind in "iu" else labels


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path}: damaged ({why}): make it anew with {_predicting(path)}")


def _predicting(path: Path) -> str:
    return f"predict --run {shlex.quote(str(path.parent.parent))}"
