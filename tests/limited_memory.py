"""A device whose memory has an end, on a CPU: it counts the bytes of all that was made and is alive, as CUDA does."""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LimitedMemory(TorchDispatchMode):
    """Within it, an operation whose result leaves no more than `limit` bytes fails as on CUDA.

    Attributes:
        limit: in bytes; may be set anew at any time.
        operations: done so far.
        fails_at: the operation that fails, once, whatever memory there is.
        peak: the most bytes that were alive.
        failures: operations that failed.
    """

    def __init__(self, limit: float = float("inf")) -> None:
        super().__init__()
        self.limit, self.peak, self.failures = limit, 0, 0
        self.operations, self.fails_at = 0, -1
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        used = sum(self._alive.values())
        self.operations += 1
        if used > self.limit or self.operations == self.fails_at:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 is full.")
        self.peak = max(self.peak, used)
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._alive:
            self._alive[key] = storage.nbytes()
            weakref.finalize(storage, self._alive.pop, key, None)
