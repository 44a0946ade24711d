"""What a rehearsal has found, as plain text."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

from lightning_flowers.markdown import text_table
from lightning_flowers.rehearse.estimate import Estimate, RunTime
from lightning_flowers.rehearse.operations import Operation
from lightning_flowers.rehearse.tracing import Trace

_INDENT = " " * 12
_HERE = f"{Path(__file__).parents[2]}/"
_LONGEST_SHAPE = 44  # characters
_ALONE = "an estimate, of the cores' work alone"
# By tests/bench/estimates.csv, which `make tpu-table` writes.
SPREAD = "6 runs that others measured on a v3-8, with TensorFlow, took 1.3 to 4.8 times as long as such an estimate"


def head(text: str, rest: str) -> str:
    """A paragraph under a word."""
    return f"{text:<{len(_INDENT)}}{rest}"


def of_run(trace: Trace, versions: str) -> str:
    """What was rehearsed."""
    asked = trace.asked
    return head(
        "rehearsed",
        f"{asked.model.backbone}, {trace.size} px, batch {asked.data.batch_size}, {trace.precision}, on {asked.chip} "
        f"({trace.cores} cores), by {versions}; nothing of it was computed",
    )


def of_graphs(estimates: list[Estimate], batch: int) -> str:
    """Memory, time and bounds of each graph."""
    rows = [_row(one, batch) for one in estimates if one.compiled]
    titles = (
        "graph",
        "GB",
        "arguments",
        "in place",
        "temporary",
        "compiled in s",
        "TFLOP",
        "GB moved",
        "ms",
        "images/s",
    )
    return head("graphs", _table((*titles, "bound by", "of it"), rows))


def of_step(step: Estimate, state: int) -> str:
    """Where a training step's time goes."""
    compiled = step.compiled
    assert compiled is not None
    total = max(compiled.cycles, 1)
    rows = [
        (
            f"{operation.cycles / total:.1%}",
            operation.opcode,
            _cut(operation.shape),
            operation.name,
            _short(operation.line),
        )
        for operation in step.dearest
    ]
    copies, own = sum(copy.cycles for copy in step.copies), compiled.memory["output"] - compiled.memory["alias"]
    exchanged = sum(operation.bytes for operation in step.collectives)
    wide = Counter(step.graph.float32_products)
    lines = [
        head("dearest", _table(("cycles", "operation", "result", "module", "line"), rows)),
        head(
            "in place", f"{_gb(compiled.memory['alias'])} of {_gb(state)} GB of state; {_gb(own)} GB of results beside"
        ),
        head("copies", f"{len(step.copies)} from one layout to another, {copies / total:.1%} of the cycles"),
        head("float32", ", ".join(f"{name} ({count})" for name, count in wide.items()) or "no convolution or product"),
        head(
            "exchanged", f"{exchanged / 1e6:.1f} MB in {len(step.collectives)} collectives: {_kinds(step.collectives)}"
        ),
        head("host", _kinds(step.to_host) or "nothing is sent to it or fetched from it within a step"),
    ]
    return "\n".join(lines)


def of_run_time(time: RunTime, hours: float) -> str:
    """Time of epochs and run."""
    text = f"train {time.train:.1f} s, val {time.val:.1f} s"
    once = f", features once {time.once:.1f} s" if time.once else ""
    return "\n".join(
        [
            head("epoch", f"{text}{once}: {_ALONE}"),
            head("spread", SPREAD),
            head(
                "run",
                f"{time.epochs} epochs {time.all - time.compiling:.0f} s, compiling {time.compiling:.0f} s (as "
                f"it took here; every session compiles anew): {time.all / 3600:.2f} of {hours:g} h",
            ),
        ]
    )


def verdict(failures: list[str]) -> str:
    """Whether the run can go to a TPU."""
    lines = [head("FAILS", what) for what in failures] or [head("good", "nothing stands against it")]
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return indent(text_table(header, rows, (), math.inf), _INDENT).lstrip()


def _row(one: Estimate, batch: int) -> tuple[object, ...]:
    compiled = one.compiled
    assert compiled is not None
    memory, (bound, share) = compiled.memory, one.bound
    rate = f"{batch / one.seconds:,.0f}" if one.seconds and compiled.flops > 1e9 else ""
    return (
        one.graph.stage,
        *(_gb(size) for size in (compiled.needed, memory["argument"], memory["alias"], memory["temp"])),
        *(f"{compiled.seconds:.0f}", f"{compiled.flops / 1e12:.2f}", f"{compiled.bytes / 1e9:.1f}"),
        *(f"{one.seconds * 1e3:.1f}", rate, bound, f"{share:.0%}"),
    )


def _kinds(operations: list[Operation]) -> str:
    seen = Counter(operation.opcode.removesuffix("-start") for operation in operations)
    return ", ".join(f"{count} {kind}" for kind, count in seen.items())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHAPE else f"{text[: _LONGEST_SHAPE - 3]}..."


def _short(where: str) -> str:
    """A line of Python by its path within the package that it is of."""
    return re.sub(r"\(.*/site-packages/", "(", where.replace(_HERE, ""))


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f}"
