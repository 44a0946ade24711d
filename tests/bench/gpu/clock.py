"""Times a fit's steps from outside: nothing is read back from the device between the first and the last that count."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from typing_extensions import override

from .card import wait

WARM_UP = 4  # steps of training that do not count: kernels are chosen and compiled, memory is had
VAL_WARM_UP = 1  # likewise of validation


class Watched:
    """A loader, and the seconds in which it made the device wait.

    That is the host's waiting for a batch, of each batch that came when the device had nothing left to do. It may have
    run dry within that time: it waited so long at most.
    """

    def __init__(self, loader: Any, idle: Callable[[], bool]) -> None:
        self._loader, self._idle = loader, idle
        self.waited = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        began = time.perf_counter()
        for batch in self._loader:
            if self._idle():
                self.waited += time.perf_counter() - began
            yield batch
            began = time.perf_counter()


class Clock(Callback):
    """Images per second of training and of validation, once warm.

    Attributes:
        found: what a sample says of them; whole when the fit has ended.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.found: dict[str, float] = {}
        self._began = self._waited = 0.0

    def watch(self, loader: Any, split: str) -> Watched:
        """What a PetalsDataModule has to `wrap` its loaders in."""
        return Watched(loader, torch.cuda.current_stream().query if self.device.type == "cuda" else lambda: True)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = time.perf_counter()

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ):
        done, last = batch_idx + 1, int(trainer.num_training_batches)
        loader: Any = trainer.train_dataloader
        if done in (WARM_UP, last):
            wait(self.device)
            now = time.perf_counter()
            if done == WARM_UP:
                self.found["warm_up_seconds"] = now - self._began
            if done == last:
                self.found["images_per_second"] = (last - WARM_UP) * len(batch["mask"]) / (now - self._began)
                self.found["waiting"] = (loader.waited - self._waited) / (now - self._began)
            self._began, self._waited = now, loader.waited

    @override
    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, dataloader_idx=0
    ):
        done, last = batch_idx + 1, int(trainer.num_val_batches[0])
        if done in (VAL_WARM_UP, last):
            wait(self.device)
            now = time.perf_counter()
            if done == last:
                images = (last - VAL_WARM_UP) * len(batch["mask"])
                self.found["val_images_per_second"] = images / (now - self._began)
            self._began = now
