"""The contract between loaders and models."""

from typing import TypedDict

from torch import Tensor


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
