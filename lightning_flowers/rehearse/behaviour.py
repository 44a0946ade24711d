"""How a run behaves on cores: three epochs of it, small, on virtual ones, that compute it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jsonargparse import Namespace
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_flowers.rehearse.rehearsal import Rehearsal, quietly


class Input(NamedTuple):
    """A kind of tensor that was sent to the cores, and how it was split over them, in XLA's words."""

    dtype: str
    shape: tuple[int, ...]
    sharding: str


class Behaviour(NamedTuple):
    """What was seen of a run on virtual cores.

    cores: how many.
    size, batch: of the pictures in pixels, and how many a step over all cores.
    epochs, steps: that were run.
    inputs: what was sent in batches, each kind once; whatever cannot be split is an error in any run.
    compiled, seconds: graphs, and what compiling them took here.
    late: why and at which line graphs were compiled in training after the first epoch.
    fallbacks: operators that ran on the host, and how often.
    reads: values that were read back within steps of training.
    traffic: bytes a step that crossed to the cores.
    """

    cores: int
    size: int
    batch: int
    epochs: int
    steps: int
    inputs: list[Input]
    compiled: int
    seconds: float
    late: list[str]
    fallbacks: dict[str, int]
    reads: int
    traffic: float

    def failures(self) -> list[str]:
        """What would spoil the run on a TPU, a line each."""
        late, why = len(self.late), "; ".join(dict.fromkeys(self.late))
        names = ", ".join(f"{name} ({count} times)" for name, count in self.fallbacks.items())
        checks = {
            f"operators run on the host: {names}": names,
            f"{self.reads} value{'s' * (self.reads > 1)} read back within training steps": self.reads,
            f"{late} graph{'s' * (late > 1)} compiled after the first epoch: {why}": late,
        }
        return [text for text, bad in checks.items() if bad]

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        inputs = [sent._asdict() for sent in self.inputs]
        late = {"late": len(self.late), "causes": self.late}
        return {**self._asdict(), **late, "inputs": inputs, "failures": self.failures()}


def behaviour(args: list[str]) -> Behaviour:
    """Run the arguments of `fit` small, and tell what was seen.

    Raises:
        UserError: a mistake in them.
    """
    with TemporaryDirectory(prefix="lightning_flowers_rehearsal_") as folder:
        run = quietly(lambda: _SmallRun(args, Path(folder)))
    from lightning_flowers.hardware.xla.compiles import counters  # of the cores that the run has chosen

    counted, watch = counters(), run.watch
    return Behaviour(
        cores=run.cores,
        size=run.datamodule.size,
        batch=run.datamodule.batch_size,
        epochs=run.epochs,
        steps=watch.steps,
        inputs=list(watch.inputs),
        compiled=counted.graphs,
        seconds=counted.seconds,
        late=watch.late,
        fallbacks=counted.fallbacks,
        reads=watch.reads,
        traffic=watch.traffic,
    )


class _SmallRun(Rehearsal):
    epochs = 3  # so that what comes up only in later ones comes up

    def shape(self, config: Namespace) -> tuple[int, int]:
        return config.size_px, max(self.cores, 2)  # one picture a core, but BatchNorm needs two

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        trainer: Any = super().instantiate_trainer(**kwargs)
        self.watch = _Watch(trainer)
        trainer.callbacks.append(self.watch)
        return trainer

    def after_fit(self) -> None:
        if self.datamodule.splits.validates:
            super().after_fit()  # it predicts val


class _Watch(Callback):
    """Looks at what is sent to the cores and read back from them.

    Args:
        trainer: of the run, with our strategy.

    Attributes: as of `Behaviour`; `inputs` are keys.
    """

    def __init__(self, trainer: Any) -> None:
        from lightning_flowers.hardware.xla.compiles import CompileWatch, counters

        self._counters = counters
        self.inputs: dict[Input, None] = {}
        self.steps = self.reads = self._sent = self._read = 0
        self.traffic = 0.0
        self.late = next(one for one in trainer.callbacks if isinstance(one, CompileWatch)).late
        self._follow(trainer.strategy.cores)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        sent = self._counters().sent
        if trainer.current_epoch == 2:
            batches = trainer.num_training_batches + sum(trainer.num_val_batches)
            self.traffic = (sent - self._sent) / batches
        self._sent = sent

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._read = self._counters().reads

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.reads += self._counters().reads - self._read
        self.steps += 1

    def _follow(self, cores: Any) -> None:
        from lightning_flowers.hardware.xla.runtime import sharding_of

        send = cores.send

        def note(tensor: Tensor) -> Tensor:
            sent = send(tensor)
            dtype = str(tensor.dtype).removeprefix("torch.")
            self.inputs[Input(dtype, tuple(tensor.shape), sharding_of(sent))] = None
            return sent

        cores.send = note
