"""What a run takes on a chip, by the compiler's word for each of its graphs."""

import math
from typing import Any, NamedTuple

from lightning_flowers.rehearse.chips import Chip
from lightning_flowers.rehearse.compiling import Compiled, Compiler, RefusedError
from lightning_flowers.rehearse.operations import Operation, goes_to_host, is_collective
from lightning_flowers.rehearse.tracing import FEATURES, Graph, Trace

DEAREST = 10


class Estimate(NamedTuple):
    """Of one graph on one core.

    refused: why libtpu does not take it; `compiled` is None then.
    needed, there: bytes, where it is refused for want of memory.
    """

    graph: Graph
    chip: Chip
    compiled: Compiled | None
    refused: str = ""
    needed: float = 0.0
    there: float = 0.0

    @property
    def seconds(self) -> float:
        """Of one execution, by the compiler's cycles."""
        return self.compiled.cycles / self.chip.clock if self.compiled else 0.0

    @property
    def bounds(self) -> dict[str, float]:
        """Seconds that it takes at least, at the chip's peak of each."""
        compiled, chip = self.compiled, self.chip
        if compiled is None:
            return {}
        # Each core of a ring sends, of what all of them reduce, all but its own part twice.
        exchanged = 2 * (1 - 1 / chip.devices) * sum(operation.bytes for operation in self.collectives)
        return {
            "arithmetic": compiled.flops / chip.flops,
            "memory": compiled.bytes / chip.bandwidth,
            "communication": exchanged / chip.links,
        }

    @property
    def bound(self) -> tuple[str, float]:
        """Which of these is the longest, and its share of `seconds`."""
        name, least = max(self.bounds.items(), key=lambda item: item[1])
        return name, least / self.seconds if self.seconds else 0.0

    @property
    def collectives(self) -> list[Operation]:
        """What the cores exchange."""
        return [operation for operation in self._operations if is_collective(operation)]

    @property
    def to_host(self) -> list[Operation]:
        """What goes to the host or comes from it within the graph."""
        return [operation for operation in self._operations if goes_to_host(operation)]

    @property
    def copies(self) -> list[Operation]:
        """Copies from one layout to another."""
        return [operation for operation in self._operations if operation.opcode == "copy"]

    @property
    def dearest(self) -> list[Operation]:
        """The operations of the most cycles."""
        return sorted(self._operations, key=lambda operation: -operation.cycles)[:DEAREST]

    @property
    def _operations(self) -> tuple[Operation, ...]:
        return self.compiled.operations if self.compiled else ()

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        facts: dict[str, Any] = {"stage": self.graph.stage, "refused": self.refused}
        if self.compiled is None:
            return {**facts, "needed": self.needed, "there": self.there}
        compiled = self.compiled
        return {
            **facts,
            "needed": compiled.needed,
            "memory": compiled.memory,
            "compile_seconds": compiled.seconds,
            "flops": compiled.flops,
            "bytes": compiled.bytes,
            "cycles": compiled.cycles,
            "seconds": self.seconds,
            "bounds": self.bounds,
            "bound": self.bound[0],
            "share_of_bound": self.bound[1],
            "dearest": [operation._asdict() for operation in self.dearest],
            "copies": {"count": len(self.copies), "cycles": sum(copy.cycles for copy in self.copies)},
            "float32_products": self.graph.float32_products,
            "collectives": [operation._asdict() for operation in self.collectives],
            "to_host": [operation._asdict() for operation in self.to_host],
        }


class RunTime(NamedTuple):
    """Seconds of a run on the cores alone.

    train, val: of an epoch.
    once: of what is done once, a frozen backbone's features.
    epochs: of the run.
    compiling: as long as it took where it was rehearsed.
    """

    train: float
    val: float
    once: float
    epochs: int
    compiling: float

    @property
    def epoch(self) -> float:
        """Of one epoch."""
        return self.train + self.val

    @property
    def all(self) -> float:
        """Of the run."""
        return self.once + self.epochs * self.epoch + self.compiling


def estimate(graph: Graph, compiler: Compiler, cores: int) -> Estimate:
    """Compile a graph of a run on so many cores."""
    try:
        return Estimate(graph, compiler.chip, compiler.compile(graph.hlo, graph.donated, cores))
    except RefusedError as refused:
        return Estimate(graph, compiler.chip, None, str(refused), refused.needed, refused.there)


def run_time(trace: Trace, estimates: list[Estimate]) -> RunTime:
    """Of a run all of whose graphs were compiled."""
    batch, every = trace.asked.data.batch_size, int(trace.asked.trainer.accumulate_grad_batches)
    steps, val_steps = (math.ceil(count / batch) for count in trace.records)
    updates = math.ceil(steps / every)
    seconds = {one.graph.stage: one.seconds for one in reversed(estimates)}  # the first of a stage is the usual one
    train = updates * seconds.get("training step", 0.0) + (steps - updates) * seconds.get("accumulating step", 0.0)
    once = (steps + val_steps) * seconds.get(FEATURES, 0.0)
    compiling = sum(one.compiled.seconds for one in estimates if one.compiled)
    epochs = int(trace.asked.trainer.max_epochs or 0)
    return RunTime(train, val_steps * seconds.get("evaluation step", 0.0), once, epochs, compiling)
