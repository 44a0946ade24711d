"""What a rehearsal found, and what of it would spoil the run."""

from typing import Any, NamedTuple

from lightning_flowers.rehearse import client
from lightning_flowers.rehearse.footprint import Footprint
from lightning_flowers.rehearse.rehearsal import EPOCHS, Rehearsal
from lightning_flowers.rehearse.watch import Graph, Input


class Findings(NamedTuple):
    """All that is told.

    backbone: its name.
    cores: how many.
    precision: of the run.
    size, batch: of the run's own pictures in pixels, and how many a step over all cores.
    small_size, small_batch: of those that it was rehearsed with.
    epochs, steps: that were rehearsed.
    inputs: what was sent in batches.
    compiled, seconds: graphs, and what compiling them took.
    late: of these, compiled in training after the first epoch.
    graphs: those of which a cause is known.
    fallbacks: operators that ran on the host, and how often.
    reads: values that were read back within steps of training.
    traffic: bytes a step that crossed to the cores in the rehearsal.
    footprint: of the run on one core.
    chip: bytes of memory of a core.
    """

    backbone: str
    cores: int
    precision: str
    size: int
    batch: int
    small_size: int
    small_batch: int
    epochs: int
    steps: int
    inputs: list[Input]
    compiled: int
    seconds: float
    late: int
    graphs: list[Graph]
    fallbacks: dict[str, int]
    reads: int
    traffic: float
    footprint: Footprint
    chip: float

    def failures(self) -> list[str]:
        """What would spoil the run, a line each."""
        whole = [f"{sent.name} {sent.dtype} {sent.shape}" for sent in self.inputs if not sent.is_split(self.cores)]
        names = ", ".join(f"{name} ({count} times)" for name, count in self.fallbacks.items())
        least = self.footprint.least
        checks = {
            f"each core does all of the work on {', '.join(whole)}": whole,
            f"operators run on the host: {names}": names,
            f"{self.reads} value{'s' * (self.reads > 1)} read back within training steps": self.reads,
            f"{self.late} graph{'s' * (self.late > 1)} compiled after the first epoch": self.late,
            f"does not fit: at least {least / 1e9:.2f} GB of {self.chip / 1e9:g} GB a core": least > self.chip,
        }
        return [text for text, bad in checks.items() if bad]

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        parts = {
            "inputs": [sent._asdict() for sent in self.inputs],
            "graphs": [graph._asdict() for graph in self.graphs],
            "footprint": {**self.footprint._asdict(), "least": self.footprint.least, "most": self.footprint.most},
        }
        return {**self._asdict(), **parts, "failures": self.failures()}


def findings(run: Rehearsal) -> Findings:
    """Of a rehearsal that has ended."""
    compiled, seconds = client.compiled()
    return Findings(
        backbone=run.asked.model.backbone,
        cores=run.cores,
        precision=str(run.trainer.precision),
        size=run.size,
        batch=run.asked.data.batch_size,
        small_size=run.datamodule.size,
        small_batch=run.datamodule.batch_size,
        epochs=EPOCHS,
        steps=run.watch.steps,
        inputs=list(run.watch.inputs),
        compiled=compiled,
        seconds=seconds,
        late=run.watch.late,
        graphs=run.watch.graphs(),
        fallbacks=client.fallbacks(),
        reads=run.watch.reads,
        traffic=run.watch.traffic,
        footprint=run.footprint,
        chip=run.asked.chip_gb * 1e9,
    )
