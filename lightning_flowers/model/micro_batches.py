"""A batch in parts that fit into the device's memory, whose gradients are summed to those of the whole.

Lightning's own accumulation is over whole batches of a loader, each of which counts alike; its BatchSizeFinder changes
the batch, and with it the recipe.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lightning_flowers import hardware
from lightning_flowers.batch import Batch, FeatureBatch
from lightning_flowers.errors import UserError

if TYPE_CHECKING:
    from lightning_flowers.model.classifier import FlowerClassifier

# Fewer pictures make BatchNorm's statistics too coarse (Wu & He, arXiv 1803.08494: ResNet-50's error is 23.7 % at 16 a
# device, 24.8 % at 8, 27.3 % at 4) and leave most GPUs idle: from there on gradient checkpointing, which costs a second
# forward pass, is worth its price.
FEW = 16


class MicroBatches:
    """Takes pictures through a model, so many at a time as fit.

    Where a device says that it is full (CUDA), the first training batch finds how many: it is begun whole, and begun
    anew with half as many at a time as long as memory does not suffice. So it is with any later batch. All that a try
    has changed (gradients, BatchNorm's statistics, counts, random numbers) is put back before the next: a run has the
    same weights as one that was told the number.

    Several processes try each for itself, as gradients are exchanged after the last part only (which then does not
    overlap with computing them), and agree on the smallest number after the first batch. With BatchNorm that is
    synchronised between them they could not: there the number has to be given, and an error stays one.

    Args:
        size: pictures at a time to begin with, which divide the batch; None for all of it.
        checkpointing: turns the backbone's gradient checkpointing on where it can, and says whether it did; called once
            fewer than 16 pictures would be left at a time. None leaves it as it is.
        say: told a heading and a line, when pictures are taken in parts; None keeps them back.
        retries: whether memory that does not suffice is answered by smaller parts, not by an error.

    Attributes:
        size: pictures at a time, None for all of a batch.
    """

    def __init__(
        self,
        size: int | None = None,
        checkpointing: Callable[[], bool] | None = None,
        say: Callable[[str, str], None] | None = None,
        retries: bool = True,
    ) -> None:
        self._asked = self.size = size
        self._checkpointing, self._say, self._retries = checkpointing, say, retries
        self._notes = ""
        self._first = True
        self._before: _State | None = None

    def backward(self, model: "FlowerClassifier", batch: Batch | FeatureBatch, batch_idx: int) -> Tensor:
        """Add the gradients of a batch to those that are there, which the first of accumulated ones begins with.

        Returns:
            The batch's loss. Its own `backward` adds nothing; DDP exchanges gradients as it goes through it.

        Raises:
            UserError: not even one picture at a time fits.
        """
        if batch_idx % model.trainer.accumulate_grad_batches == 0:
            model.zero_grad()
        whole, records = len(batch["mask"]), model.records(batch["mask"])
        before = self._before = self._before or _State(model)
        before.keep()
        while (loss := self._try(lambda: self._sum(model, batch, records))) is None:
            before.put_back()
            self._shrink(whole, trains=True)
            if not self._first:
                self._tell(f"out of memory in epoch {model.current_epoch + 1}: {self._told(whole)}")
        if self._first:
            self._settle(whole)
        return _Summed.apply(loss, *_trained(model))  # pyright: ignore[reportReturnType]

    def apply(self, function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """What a function gives of pictures (batch, 3, height, width), one row for each.

        Raises:
            UserError: not even one picture at a time fits.
        """
        while (rows := self._try(lambda: self._rows(function, images))) is None:
            self._shrink(len(images), trains=False)
            self._tell(f"out of memory: pictures are taken {self.size} at a time from here on")
        return rows

    def _rows(self, function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        if self.size is None or len(images) <= self.size:
            return function(images)
        return torch.cat([function(part) for part in images.split(self.size)])

    def _sum(self, model: "FlowerClassifier", batch: Any, records: Tensor) -> Tensor:
        trainer, losses = model.trainer, []
        (optimizer,) = trainer.optimizers
        size = self.size or len(batch["mask"])
        for start in range(0, len(batch["mask"]), size):
            part: Any = {name: rows[start : start + size] for name, rows in batch.items()}
            loss = model.part_loss(part, records)
            losses.append(loss.detach())
            with torch.autocast(loss.device.type, enabled=False):  # backward has the types of forward
                trainer.strategy.backward(loss / trainer.accumulate_grad_batches, optimizer)
            del loss
        return torch.stack(losses).sum()

    def _try(self, work: Callable[[], Tensor]) -> Tensor | None:
        """What it gives; None where memory did not suffice, with what it held given back."""
        try:
            return work()
        except RuntimeError as error:
            if not (self._retries and hardware.is_out_of_memory(error)):
                raise
            self._why = str(error).partition("\n")[0].partition(". ")[0]
        hardware.free_memory()  # not before: the error holds all that was there
        return None

    def _shrink(self, whole: int, trains: bool) -> None:
        now = self.size or whole
        half = next((size for size in range(now // 2, 0, -1) if whole % size == 0), 0)
        if trains and half < min(FEW, whole) and (turn_on := self._checkpointing):
            self._checkpointing = None
            if turn_on():
                self._notes, half = ", with gradient checkpointing", self._asked or whole
        if not half:
            raise UserError(
                f"--data.size: not even one picture at a time fits into memory: {self._why}: use a smaller size, a "
                "smaller --model.backbone, or --trainer.precision=bf16-mixed"
            )
        self.size = half

    def _settle(self, whole: int) -> None:
        self._first = False
        smallest = min(hardware.gather(self.size or whole))
        self.size = smallest if smallest < whole else None
        if self.size or self._notes:
            self._tell(self._told(whole))

    def _tell(self, line: str) -> None:
        if self._say is not None:
            self._say("memory", line)

    def _told(self, whole: int) -> str:
        size = self.size or whole
        gradients = f"gradients are of all {whole} pictures, BatchNorm's statistics of {size}"
        return f"micro-batches of {size}{self._notes}: {gradients}"


class _Summed(torch.autograd.Function):
    """A loss whose gradients have been added already: going backward through it reaches each parameter with nothing."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, *parameters: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.inputs = 1 + len(parameters)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return (None,) * ctx.inputs


class _State:
    """What a training batch changes before the optimizer's step, kept so that it can be put back."""

    def __init__(self, model: "FlowerClassifier") -> None:
        self._device, self._trained = model.device, _trained(model)
        kinds = dict.fromkeys(each.dtype for each in model.buffers())  # those of one are copied together
        self._buffers = [[each for each in model.buffers() if each.dtype == kind] for kind in kinds]
        self._kept = [[each.clone() for each in buffers] for buffers in self._buffers]

    @torch.no_grad()
    def keep(self) -> None:
        self._random = hardware.random_state(self._device)
        # None but where earlier batches have left theirs, as with --trainer.accumulate_grad_batches.
        self._gradients = [None if each.grad is None else each.grad.clone() for each in self._trained]
        for buffers, kept in zip(self._buffers, self._kept, strict=True):
            torch._foreach_copy_(kept, buffers)  # pyright: ignore[reportPrivateImportUsage]

    @torch.no_grad()
    def put_back(self) -> None:
        hardware.set_random_state(self._random, self._device)
        for parameter, gradient in zip(self._trained, self._gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        for buffers, kept in zip(self._buffers, self._kept, strict=True):
            torch._foreach_copy_(buffers, kept)  # pyright: ignore[reportPrivateImportUsage]


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
