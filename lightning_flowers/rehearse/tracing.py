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

from lightning_flowers.model.ema import averaged
from lightning_flowers.model.features import feature_views
from lightning_flowers.model.views import check_views, views_of
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
    """

    graphs: list[Graph]
    asked: Namespace
    cores: int
    size: int
    precision: str
    state: int
    records: tuple[int, int]


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
    facts = (run.asked, run.cores, run.size, str(run.trainer.precision), run.state, run.records)
    return Trace(list(run.graphs.values()), *facts)


class _Tracing(Rehearsal):
    """`fit` and `predict` of a run, at its own size."""

    def shape(self, config: Namespace) -> tuple[int, int]:
        return self.size, config.data.batch_size

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        trainer: Any = super().instantiate_trainer(**kwargs)
        trainer.callbacks[:] = [callback for callback in trainer.callbacks if not isinstance(callback, Checkpoint)]
        trainer.profiler = self._stages = _Stages()
        model: Any = self.model
        model.on_fit_start = self._begin  # after that of all callbacks, of which some are the model's own
        self.graphs: dict[str, Graph] = {}  # by their text without names
        self._keeps_features = feature_views(self.model, bool(self.datamodule.augment))[0] > 0
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
            check_views(self.model.backbone, self.model.views, self.size)
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

    def _stage(self, hlo: str) -> str:
        at = self._stages.current
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
    """

    def __init__(self) -> None:
        super().__init__()
        self._actions = [""]

    @property
    def current(self) -> str:
        return self._actions[-1]

    def start(self, action_name: str) -> None:
        self._actions.append(action_name)

    def stop(self, action_name: str) -> None:
        self._actions.remove(action_name)
