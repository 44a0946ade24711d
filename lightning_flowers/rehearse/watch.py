"""What a rehearsed run does with the cores, seen from its steps."""

from typing import Any, NamedTuple

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_flowers.rehearse import client

_NAMES = {(4, "uint8"): "image", (2, "float32"): "features", (1, "int64"): "label, index", (1, "bool"): "mask"}


class Input(NamedTuple):
    """A kind of tensor that was sent to the cores; `sharding` in XLA's words, empty where it lies whole on each."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sharding: str

    def is_split(self, cores: int) -> bool:
        """Whether each core has its part of the batch, and no more."""
        return cores == 1 or self.sharding.startswith(f"{{devices=[{cores}")


class Graph(NamedTuple):
    """Why a graph was compiled, at which line of Python, and when: in the first epoch, in later ones, after these."""

    why: str
    where: str
    when: str


class Watch(Callback):
    """Looks at what is sent to the cores, compiled for them, and read back; of three epochs.

    Attributes:
        inputs: what was sent in batches, each kind once.
        steps: of training, in all epochs.
        reads: values that were read back within these.
        traffic: bytes that crossed to the cores for each batch of the second epoch.
        late: graphs that were compiled from the second epoch on, in training.
    """

    def __init__(self) -> None:
        self.inputs: dict[Input, None] = {}
        self.steps = self.reads = self.late = 0
        self.traffic = 0.0
        self._batches = self._sent = self._read = self._compiled = 0
        self._ends: list[tuple[int, str]] = []

    def follow(self, strategy: Any) -> None:
        """Look at all batches that a strategy sends from now on."""
        send, move = strategy.cores.send, strategy.batch_to_device

        def note_sent(tensor: Tensor) -> Tensor:
            return self._note(tensor, send(tensor))

        def note_moved(batch: Any, *args: Any, **kwargs: Any) -> Any:
            moved = move(batch, *args, **kwargs)
            for name, tensor in batch.items():
                if tensor.device.type == "cpu":
                    self._note(tensor, moved[name])
            return moved

        strategy.cores.send, strategy.batch_to_device = note_sent, note_moved

    def graphs(self) -> list[Graph]:
        """The graphs of which torch_xla tells a cause, in order."""
        return [
            Graph(*cause, next((when for end, when in self._ends if number < end), "after training"))
            for number, cause in enumerate(client.causes())
        ]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            self._ends.append((len(client.causes()), "first epoch"))
            self._compiled, self._sent, self._batches = client.compiled()[0], client.sent(), 0
        if trainer.current_epoch == 2:
            self.traffic = (client.sent() - self._sent) / self._batches

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._read = client.values_read()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.reads += client.values_read() - self._read
        self.steps += 1
        self._batches += 1

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._batches += 1

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._ends.append((len(client.causes()), "later epochs"))
        self.late = client.compiled()[0] - self._compiled

    def _note(self, tensor: Tensor, sent: Tensor) -> Tensor:
        dtype = str(tensor.dtype).removeprefix("torch.")
        name = _NAMES.get((tensor.ndim, dtype), "another")
        self.inputs[Input(name, dtype, tuple(tensor.shape), client.sharding_of(sent))] = None
        return sent
