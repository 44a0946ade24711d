"""The graphs of a run, traced at its own size in a process of its own; nothing of them is computed."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.profilers import Profiler
from pytorch_lightning.trainer.states import TrainerFn

from lightning_flowers.cli.recorder import Recorder
from lightning_flowers.model.ema import averaged
from lightning_flowers.model.features import feature_views
from lightning_flowers.model.views import views_of
from lightning_flowers.rehearse.operations import float32_products, without_names
from lightning_flowers.rehearse.rehearsal import Rehearsal, quietly

# What Lightning is at when a graph is sent off, and what that graph is.
_STAGES = {
    "optimizer_step": "training step",
    "validation_step": "evaluation step",
    "predict_step": "prediction step",
    "Ema": "averaged weights",
    "dataloader_next": "accumulating step",
}
FEATURES, OTHER = "feature pass", "between steps"
_STEP = "run_training_batch"


class Graph(NamedTuple):
    """A graph that a run sends off.

    stage: what it does.
    hlo: its text.
    donated: numbers of the parameters whose memory its results may take.
    """

    stage: str
    hlo: str
    donated: tuple[int, ...]

    @property
    def float32_products(self) -> list[str]:
        """Names of its convolutions and matrix products of float32."""
        return float32_products(self.hlo)


class Trace(NamedTuple):
    """All distinct graphs of a run, in the order in which they come up first.

    asked: the settings.
    cores: of the run.
    size: of the pictures in pixels.
    precision: as Lightning names it.
    state: bytes of parameters, buffers, optimizer state and averages, which steps update in place.
    records: of train and val.
    late: what graphs that came up in the second epoch only do.
    fallbacks: operators that ran on the host, for want of one for XLA, and how often.
    reads: values that were read back within steps of training.
    """

    graphs: list[Graph]
    asked: Namespace
    cores: int
    size: int
    precision: str
    state: int
    records: tuple[int, int]
    late: list[str]
    fallbacks: dict[str, int]
    reads: int

    def failures(self) -> list[str]:
        """What would spoil the run on a TPU, a line each."""
        fell = ", ".join(f"{name} ({count} times)" for name, count in self.fallbacks.items())
        checks = {
            f"operators run on the host: {fell}": self.fallbacks,
            f"{self.reads} value{'s' * (self.reads > 1)} read back within training steps": self.reads,
            f"compiled anew in the second epoch: {', '.join(self.late)}": self.late,
        }
        return [text for text, bad in checks.items() if bad]


def trace(args: Sequence[str]) -> Trace:
    """Trace the run of `fit`'s arguments.

    Raises:
        UserError: a mistake in them.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_trace, list(args)).result()


def _trace(args: list[str]) -> Trace:
    with TemporaryDirectory(prefix="lightning_flowers_trace_") as folder:
        run = quietly(lambda: _Tracing(args, Path(folder)))
    from lightning_flowers.hardware.xla.compiles import counters  # of the cores that the run has chosen

    return Trace(
        graphs=list(run.graphs.values()),
        asked=run.asked,
        cores=run.cores,
        size=run.size,
        precision=str(run.trainer.precision),
        state=run.state,
        records=run.records,
        late=run.late,
        fallbacks=counters().fallbacks,
        reads=run.stages.reads,
    )


class _Tracing(Rehearsal):
    """`fit` and `predict` of a run."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        trainer: Any = super().instantiate_trainer(**kwargs)
        # Nothing of it is recorded, and what is logged for that would be among the graphs.
        trainer.callbacks[:] = [each for each in trainer.callbacks if not isinstance(each, Checkpoint | Recorder)]
        trainer.profiler = self.stages = _Stages()
        model: Any = self.model
        model.on_fit_start = self._begin  # after that of all callbacks, of which some are the model's own
        self.graphs: dict[str, Graph] = {}  # by their text without names
        self.late: list[str] = []
        self._keeps_features = feature_views(self.model.hparams, bool(self.datamodule.augment))[0] > 0
        self._tracing = ExitStack()
        return trainer

    def _begin(self) -> None:
        """From here on, when all that lasts lies on the cores, steps are traced."""
        from lightning_flowers.hardware.xla import tracing

        self.state = sum(tensor.nbytes for tensor in self._updated())
        tracing.name_operations(self.model)
        cores = self.trainer.strategy.cores  # pyright: ignore[reportAttributeAccessIssue]
        self._tracing.enter_context(tracing.traced(cores, self.datamodule.batch_size, self._take))

    def after_fit(self) -> None:
        if self.datamodule.splits.validates:
            self.model.views = views_of(self.asked.tta)
            self.trainer.callbacks.remove(self.collector)  # pyright: ignore[reportAttributeAccessIssue]
            self.trainer.predict(self.model, datamodule=self.datamodule, return_predictions=False)
        self._tracing.close()

    def _updated(self) -> Iterator[Any]:
        yield from self.model.parameters()
        yield from self.model.buffers()
        for optimizer in self.trainer.optimizers:
            for state in optimizer.state.values():
                yield from state.values()
        if self.model.ema_decay:
            yield from averaged(self.model).values()

    def _take(self, hlo: str, donated: tuple[int, ...]) -> None:
        program = without_names(hlo)
        if program not in self.graphs:
            self.graphs[program] = Graph(self._stage(program), hlo, donated)
            if self.trainer.state.fn == TrainerFn.FITTING and self.trainer.current_epoch:
                self.late.append(self.graphs[program].stage)

    def _stage(self, hlo: str) -> str:
        at = self.stages.current
        stage = next((stage for name, stage in _STAGES.items() if name in at), OTHER)
        if stage == "averaged weights":
            return stage
        if " convolution(" not in hlo and " dot(" not in hlo:
            return OTHER
        return FEATURES if " convolution(" in hlo and self._keeps_features else stage


class _Stages(Profiler):
    """Knows what Lightning is at.

    Attributes:
        current: the innermost of its actions.
        reads: values that were read back within training steps.
    """

    def __init__(self) -> None:
        super().__init__()
        self._actions = [""]
        self.reads = 0

    @property
    def current(self) -> str:
        return self._actions[-1]

    def start(self, action_name: str) -> None:
        self._actions.append(action_name)
        if action_name == _STEP:
            self.reads -= _reads()

    def stop(self, action_name: str) -> None:
        self._actions.remove(action_name)
        if action_name == _STEP:
            self.reads += _reads()


def _reads() -> int:
    from lightning_flowers.hardware.xla.compiles import counters

    return counters().reads
