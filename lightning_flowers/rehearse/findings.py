"""What was seen of a run on virtual cores, and what of it would spoil the run on a TPU."""

from typing import Any, NamedTuple

from lightning_flowers.rehearse import client
from lightning_flowers.rehearse.watch import Graph, Input, Watch


class Findings(NamedTuple):
    """All that was seen.

    cores: how many.
    size, batch: of the pictures in pixels, and how many a step over all cores.
    epochs, steps: that were run.
    inputs: what was sent in batches.
    compiled, seconds: graphs, and what compiling them took here.
    late: of these, compiled in training after the first epoch.
    graphs: those of which a cause is known.
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
    late: int
    graphs: list[Graph]
    fallbacks: dict[str, int]
    reads: int
    traffic: float

    def failures(self) -> list[str]:
        """What would spoil the run, a line each."""
        whole = [f"{sent.name} {sent.dtype} {sent.shape}" for sent in self.inputs if not sent.is_split(self.cores)]
        names = ", ".join(f"{name} ({count} times)" for name, count in self.fallbacks.items())
        checks = {
            f"each core does all of the work on {', '.join(whole)}": whole,
            f"operators run on the host: {names}": names,
            f"{self.reads} value{'s' * (self.reads > 1)} read back within training steps": self.reads,
            f"{self.late} graph{'s' * (self.late > 1)} compiled after the first epoch": self.late,
        }
        return [text for text, bad in checks.items() if bad]

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        parts = {
            "inputs": [sent._asdict() for sent in self.inputs],
            "graphs": [graph._asdict() for graph in self.graphs],
        }
        return {**self._asdict(), **parts, "failures": self.failures()}


def findings(watch: Watch, cores: int, size: int, batch: int, epochs: int) -> Findings:
    """Of a run that has ended, with so many cores, pixels, pictures a step and epochs."""
    compiled, seconds = client.compiled()
    return Findings(
        cores=cores,
        size=size,
        batch=batch,
        epochs=epochs,
        steps=watch.steps,
        inputs=list(watch.inputs),
        compiled=compiled,
        seconds=seconds,
        late=watch.late,
        graphs=watch.graphs(),
        fallbacks=client.fallbacks(),
        reads=watch.reads,
        traffic=watch.traffic,
    )
