"""The contract between loaders and models."""

from typing import Any, TypedDict

import torch
from torch import Tensor

from lightning_flowers.errors import UserError


class Batch(TypedDict):
    """What a loader yields and a model takes; every batch of a run has the same shape.

    image: uint8 (batch, 3, size, size), RGB, in channels-last memory order, as decoders write it.
    label: int64 (batch,), -1 where unknown and for padding.
    index: int64 (batch,), the record's position in its split; -1 for padding.
    mask: bool (batch,), False for padding.
    """

    image: Tensor
    label: Tensor
    index: Tensor
    mask: Tensor


class FeatureBatch(TypedDict):
    """What stands in a batch's place where pooled features of a frozen backbone are kept.

    features: (batch, channels), of the type in which the backbone gave them.
    label, index, mask: as in a batch of pictures.
    """

    features: Tensor
    label: Tensor
    index: Tensor
    mask: Tensor


_PICTURES = {"image", "features"}
_TENSORS = {"image": (torch.uint8, 4), "label": (torch.int64, 1), "index": (torch.int64, 1), "mask": (torch.bool, 1)}
_HOLDS = (
    "a batch must be a dict of image (uint8 (batch, 3, size, size)), label (int64, -1 where unknown), index (int64) "
    "and mask (bool, False for padding), as the loaders of PetalsDataModule give them"
)


def check_batch(batch: Any) -> None:
    """Fail on what a model does not take.

    Raises:
        UserError: it says what a batch must hold.
    """
    if not isinstance(batch, dict) or not ({"label", "index", "mask"} <= batch.keys() and batch.keys() & _PICTURES):
        raise UserError(f"{type(batch).__name__}: {_HOLDS}")
    known = [name for name in _TENSORS if name in batch]
    for name in known:
        tensor, (dtype, dimensions) = batch[name], _TENSORS[name]
        if not isinstance(tensor, Tensor):
            raise UserError(f"{name}, a {type(tensor).__name__}: {_HOLDS}")
        if tensor.dtype != dtype or tensor.ndim != dimensions or (name == "image" and tensor.shape[1] != 3):
            raise UserError(f"{name}, {str(tensor.dtype).removeprefix('torch.')} {(*tensor.shape,)}: {_HOLDS}")
    if len({len(batch[name]) for name in known}) > 1:
        counts = ", ".join(f"{len(batch[name])} of {name}" for name in known)
        raise UserError(f"records of other numbers, {counts}: {_HOLDS}")


def check_labels(batch: Batch | FeatureBatch) -> None:
    """Fail on records that nothing can be trained or scored on. Reads the labels back from the device.

    Raises:
        UserError: there is one without a label.
    """
    if (batch["label"][batch["mask"]] < 0).any():
        raise UserError(
            "the records have no labels: nothing can be trained or scored on them: give "
            "PetalsDataModule(test_labels=FILE.csv), or predict"
        )
