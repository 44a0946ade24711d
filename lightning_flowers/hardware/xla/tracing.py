"""Steps that are traced and not executed: what torch_xla would send off, as text."""

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.distributed.tensor  # torch_xla imports it with the first placeholder: not within a step
import torch_xla
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from lightning_flowers.hardware.xla.runtime import Cores, send_replicated

_native: Any = torch_xla._XLAC  # pyright: ignore[reportPrivateImportUsage]
_SCOPE_NUMBER = re.compile(r"(?<=[\w\]])\.\d+(?=/)")


Take = Callable[[str, tuple[int, ...]], None]


@contextmanager
def traced(cores: Cores, batch: int, take: Take) -> Iterator[None]:
    """Within the block, what would be sent to the cores is handed to `take` instead.

    Tensors that a graph would have updated keep the values they had; those that it would have made are ones.

    Args:
        batch: the global batch: results of so many rows lie split over the cores, as XLA would leave them.
        take: gets each graph: its text, not yet partitioned, each operation with its module's name and its line of
            Python; and the numbers of the parameters whose memory it may use for its results, as their tensors get new
            values.
    """
    torch_xla.sync(wait=True)
    tracer = _Tracer(cores, batch, take)
    send_off, _native._xla_step_marker = _native._xla_step_marker, tracer.take_all
    try:
        with torch.autograd.set_multithreading_enabled(False):  # names of operations are known to one thread
            yield
    finally:
        _native._xla_step_marker = send_off


def name_operations(model: nn.Module) -> None:
    """Have the operations of each module, and of its gradient, bear its name."""
    _native._set_ir_debug(True)
    entered: list[Any] = []
    current: list[Any] = []

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: entered.append(_native.profiler.scope_pusher(name))

    def leave(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, _args: Any, result: Any) -> None:
            entered.pop()
            if isinstance(result, Tensor) and result.grad_fn is not None:
                result.grad_fn.register_prehook(begin)

        def begin(_gradients: Any) -> None:
            if not current:
                torch.autograd.Variable._execution_engine.queue_callback(current.clear)
            current.clear()
            current.append(_native.profiler.scope_pusher(f"{name}.grad"))

        return note

    for name, module in model.named_modules():
        if name:
            module.register_forward_pre_hook(enter(name))
            module.register_forward_hook(leave(name))


class _Tracer:
    """Stands in the place of torch_xla's step marker."""

    def __init__(self, cores: Cores, batch: int, take: Take) -> None:
        self._cores, self._batch, self._take = cores, batch, take
        self._known: Any = WeakTensorKeyDictionary()  # what lay in each tensor when the graph began
        self._remember(_on_cores())

    def take_all(self, *_: Any, **__: Any) -> None:
        """Hand over what all tensors on the cores wait for, and give them values without computing it."""
        tensors = _on_cores()
        needed: list[bool] = _native._check_tensor_need_materialization(tensors)
        pending = [tensor for tensor, needs in zip(tensors, needed, strict=True) if needs]
        if pending:
            self._take(*self._trace(pending))
            for tensor in pending:
                _native._replace_xla_tensor(tensor, self._known_value(tensor).clone())
        self._remember(tensors)

    def _trace(self, pending: list[Tensor]) -> tuple[str, tuple[int, ...]]:
        numbered = {_native._xla_get_tensor_id(tensor): tensor for tensor in pending}
        distinct = [numbered[number] for number in sorted(numbered)]  # in torch_xla's order
        hlo: str = _native._get_xla_tensors_hlo(distinct)
        given = _handles(_native._get_tensors_xla_device_data_node(distinct)[1])
        updated = set(_handles([self._known[tensor] for tensor in distinct if tensor in self._known]))
        return _SCOPE_NUMBER.sub("", hlo), tuple(i for i, handle in enumerate(given) if handle in updated)

    def _known_value(self, tensor: Tensor) -> Tensor:
        value: Tensor | None = self._known.get(tensor)
        if value is None or value.shape != tensor.shape:
            ones = torch.ones(tensor.shape, dtype=tensor.dtype)
            split = tensor.ndim > 0 and len(tensor) == self._batch
            value = self._cores.send(ones) if split else send_replicated(ones)
        return value

    def _remember(self, tensors: list[Tensor]) -> None:
        for tensor in tensors:
            if tensor not in self._known and (clone := _clone(tensor)) is not None:
                self._known[tensor] = clone


def _on_cores() -> list[Tensor]:
    """All tensors that lie on the cores, those of gradients too."""
    found: dict[int, Tensor] = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), Tensor) and thing.device.type == "xla":
            thing._fix_weakref()  # it may be one that C++ alone has kept
            found[id(thing)] = thing
            if thing.is_leaf and thing.grad is not None:
                found[id(thing.grad)] = thing.grad
    return list(found.values())


def _clone(tensor: Tensor) -> Tensor | None:
    """A tensor that shares the other's memory until one of the two is written; None if it has none, as a constant."""
    clone = tensor.detach().clone()
    with suppress(RuntimeError):
        _handles([clone])
        return clone


def _handles(tensors: list[Tensor]) -> list[int]:
    """Of the memory in which they lie."""
    return _native._get_tensors_handle(tensors)
