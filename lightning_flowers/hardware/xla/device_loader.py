"""A loader that copies batches to the cores ahead of the step that takes them (prefetching)."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

from torch import Tensor

AHEAD = 2  # batches on the cores, or on their way, beside the one in use
_CLOSE_SECONDS = 5.0  # that a thread gets to end; what it is at, such as computing features, may take longer


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
        self._sync()  # not beside the thread: it may itself compute, features for its first batch
        batches, thread = self._send_batches(), ThreadPoolExecutor(1, thread_name_prefix="device-loader")
        ahead = deque(thread.submit(next, batches, None) for _ in range(AHEAD))
        try:
            while True:
                start = time.perf_counter()
                sent = ahead.popleft().result()
                self.waited += time.perf_counter() - start
                if sent is None:
                    return
                ahead.append(thread.submit(next, batches, None))
                batch, self._state = sent
                yield {name: _as_channels_first(name, tensor) for name, tensor in batch.items()}
                self._sync()
        finally:
            for future in ahead:
                future.cancel()
            closed = thread.submit(batches.close)  # the loader's threads must not outlive ours
            wait([closed], _CLOSE_SECONDS)
            thread.shutdown(wait=closed.done())
            self._sync()

    def _send_batches(self) -> Generator[tuple[dict[str, Tensor], dict[str, Any]]]:
        """Batches on the cores, each with the loader's state after it."""
        with closing(iter(self.loader)) as batches:
            for batch in batches:
                on_cores = {name: self._send(_as_stored(name, tensor)) for name, tensor in batch.items()}
                yield on_cores, self.loader.state_dict()


def _as_stored(name: str, tensor: Tensor) -> Tensor:
    # Pictures lie in channels-last order; sent as (batch, 3, height, width) the host would have to turn them first.
    return tensor.permute(0, 2, 3, 1).contiguous() if name == "image" else tensor.contiguous()


def _as_channels_first(name: str, tensor: Tensor) -> Tensor:
    return tensor.permute(0, 3, 1, 2) if name == "image" else tensor
