"""The head of a run's checkpoint, for a model that begins with its weights."""

from collections.abc import Sequence

from torch import nn

from lightning_flowers.data.class_names import class_order
from lightning_flowers.model.given import Given
from lightning_flowers.model.layers import reorder_classes


def take_head(head: nn.Module, given: Given, classes: Sequence[str]) -> str:
    """Give `head` the weights of a checkpoint's, if that has the same classes and layers.

    Args:
        head: of the model, for `classes` in this order.
        given: what the checkpoint holds.
        classes: names.

    Returns:
        What was taken, in words.
    """
    backbone = f"backbone of {given.file}"
    if not given.classes or not given.head:
        return f"{backbone}, not its head, whose classes it does not name"
    try:
        order = class_order(given.classes, classes)
    except ValueError as error:
        return f"{backbone}, not its head, which is for other classes ({error})"
    named = reorder_classes({f"head.{name}": tensor for name, tensor in given.head.items()}, order)
    weights = {name.removeprefix("head."): tensor for name, tensor in named.items()}
    shapes = [{name: tensor.shape for name, tensor in each.items()} for each in (weights, head.state_dict())]
    if shapes[0] != shapes[1]:
        return f"{backbone}, not its head, which has other dense layers (--model.hidden)"
    head.load_state_dict(weights)
    moved = "" if order == list(range(len(order))) else " (classes in another order: mapped by name)"
    return f"backbone and head of {given.file}{moved}"
