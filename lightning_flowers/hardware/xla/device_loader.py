"""Batches on their way to the cores, a few ahead of the step that takes them."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

AHEAD = 2  # batches on the cores, or on their way, beside the one in use: one waits for room in the queue
_JOIN_SECONDS = 5.0  # seconds that a thread gets to end; what it is at, such as computing features, may take longer
_POLL_SECONDS = 0.1  # seconds between two looks whether the consumer has gone


class DeviceLoader:
    """A loader whose batches lie on the cores.

    A thread of its own reads the loader and sends its batches; what fails there is raised where the batch would have
    come. (torch_xla's MpDeviceLoader swallows it, and the epoch ends early.) Before each batch what was asked of the
    cores so far is sent off, or an epoch of validation would become one graph.

    Args:
        loader: of batches on the host: dictionaries of tensors (batch, ...).
        send: copies a tensor to the cores.
        sync: sends off what was asked of them.

    Attributes:
        loader: as given.
        sampler: the loader's order.
        split: the loader's split.
        waited: seconds that the consumer has spent waiting for batches, over all epochs.
    """

    def __init__(self, loader: Any, send: Callable[[Tensor], Tensor], sync: Callable[[], None]) -> None:
        self.loader, self.sampler, self.split, self.batch_sampler = loader, loader.sampler, loader.split, None
        self._send, self._sync = send, sync
        self._state: dict[str, Any] | None = None
        self.waited = 0.0

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return len(self.loader)

    def state_dict(self) -> dict[str, Any]:
        """How far the consumer has come in the epoch; the loader itself is ahead."""
        return self._state or self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._state = None
        self.loader.load_state_dict(state)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield the epoch's batches.

        Raises:
            Exception: whatever reading or sending a batch has raised.
        """
        sent: queue.Queue[_Sent] = queue.Queue(AHEAD - 1)
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(sent, stop), name="feed", daemon=True)
        self._sync()  # not beside the thread: it may itself compute, features for its first batch
        thread.start()
        try:
            while True:
                start = time.perf_counter()
                batch, state, error = sent.get()
                self.waited += time.perf_counter() - start
                if error is not None:
                    raise error
                if batch is None:
                    return
                self._state = state
                yield {name: _as_channels_first(name, tensor) for name, tensor in batch.items()}
                self._sync()
        finally:
            stop.set()
            thread.join(_JOIN_SECONDS)
            self._sync()

    def _work(self, sent: "queue.Queue[_Sent]", stop: threading.Event) -> None:
        batches: Any = None
        try:
            batches = iter(self.loader)
            for batch in batches:
                on_cores = {name: self._send(_as_stored(name, tensor)) for name, tensor in batch.items()}
                if not _put(sent, (on_cores, self.loader.state_dict(), None), stop):
                    return
            _put(sent, (None, None, None), stop)
        except BaseException as error:
            _put(sent, (None, None, error), stop)
        finally:
            if batches is not None:
                batches.close()  # its threads must not outlive ours


_Sent = tuple[dict[str, Tensor] | None, dict[str, Any] | None, BaseException | None]


def _put(sent: "queue.Queue[_Sent]", what: _Sent, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            sent.put(what, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False


def _as_stored(name: str, tensor: Tensor) -> Tensor:
    # Pictures lie in channels-last order; sent as (batch, 3, height, width) the host would have to turn them first.
    return tensor.permute(0, 2, 3, 1).contiguous() if name == "image" else tensor.contiguous()


def _as_channels_first(name: str, tensor: Tensor) -> Tensor:
    return tensor.permute(0, 3, 1, 2) if name == "image" else tensor
