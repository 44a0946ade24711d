"""What lives at a time while a model runs on fake tensors, and what the backward pass keeps."""

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

_aten: Any = torch.ops.aten
_PRODUCTS = (_aten.convolution, _aten.mm, _aten.addmm, _aten.bmm, _aten.baddbmm)
Storages = Any  # a WeakIdKeyDictionary from storages to their bytes


class Live(TorchDispatchMode):
    """Counts the bytes of all tensors that operators make while it is entered, until they are freed.

    Attributes:
        now: bytes that live.
        peak: the most that lived at a time.
        products: the storages that convolutions and matrix products wrote.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.products: Storages = WeakIdKeyDictionary()
        self._known: Storages = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = storages(_tensors((args, kwargs)))
        made = func(*args, **(kwargs or {}))
        for storage, size in storages(_tensors(made)).items():
            if storage not in given and storage not in self._known:
                self._add(storage, size)
            if func.overloadpacket in _PRODUCTS:
                self.products[storage] = size
        return made

    def _add(self, storage: torch.UntypedStorage, size: int) -> None:
        self._known[storage] = size
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.now -= size


@contextmanager
def kept_for_backward() -> Iterator[Storages]:
    """Gives the storages that autograd keeps of what is computed within the block.

    Integers are left out: they are the places of maxima, for which XLA looks again.
    """
    kept: Storages = WeakIdKeyDictionary()

    def note(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            kept.update(storages([tensor]))
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept


def storages(tensors: Iterable[Tensor]) -> Storages:
    """The storages of tensors, each once, with their bytes."""
    found: Storages = WeakIdKeyDictionary()
    for tensor in tensors:
        storage = tensor.untyped_storage()
        found[storage] = storage.nbytes()
    return found


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
