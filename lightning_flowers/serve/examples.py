"""Photographs of a run's val split, for a page's visitor who has none at hand."""

from typing import NamedTuple

import numpy as np

from lightning_flowers.errors import UserError
from lightning_flowers.report.gallery import Pictures, to_jpeg
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.use.doubt import val_of
from lightning_flowers.use.predictor import Predictor

_LARGEST = 512  # pixels


class Example(NamedTuple):
    """A photograph.

    Attributes:
        name: of its class.
        jpeg: the file.
    """

    name: str
    jpeg: bytes


def examples_of(predictor: Predictor, count: int) -> tuple[Example, ...]:
    """Up to so many, each of another class, always the same ones.

    Raises:
        UserError: the run has no val predictions, or its data are no longer where they were.
    """
    file, data = val_of(predictor), predictor.members[0].run.data
    if not file.is_file() or data.root is None or data.size is None:
        raise UserError(f"{predictor.path}: nothing tells where its val pictures are")
    val = Predictions.load(file, labelled=True)
    assert val.labels is not None
    order = np.random.default_rng(0).permutation(len(val.labels))
    _, firsts = np.unique(val.labels[order], return_index=True)
    chosen = order[np.sort(firsts)[:count]]
    found = Pictures(data.root, data.size).decode(val.ids[chosen].tolist())
    names = [predictor.classes[label] for label in val.labels[chosen]]
    return tuple(
        Example(name, to_jpeg(picture, _LARGEST))
        for name, picture in zip(names, found, strict=True)
        if picture is not None
    )
