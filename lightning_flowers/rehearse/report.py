"""The findings of a rehearsal as plain text."""

import re
from collections import Counter
from pathlib import Path

from lightning_flowers.records.text import table
from lightning_flowers.rehearse.findings import Findings
from lightning_flowers.rehearse.footprint import BATCHES, batch_bytes

_INDENT = " " * 12
_HERE = f"{Path(__file__).parents[2]}/"
# torch_xla's words for it.
_WHY = {
    "user torch_xla.sync": "a step is sent off",
    "most likely user code trying to access tensor value before torch_xla.sync": "a value is read",
}


def to_text(found: Findings) -> str:
    """The report: a paragraph for each thing that was looked at, and whether the run can go to a TPU."""
    parts = [_rehearsed(found), _inputs(found), _graphs(found), _host(found), _memory(found), _arithmetic(found)]
    verdict = [f"{_head('FAILS')}{what}" for what in found.failures()] or [f"{_head('good')}nothing stands against it"]
    return "\n".join([*parts, *verdict])


def _rehearsed(found: Findings) -> str:
    small = f"{found.small_batch} pictures of {found.small_size} px"
    place = f"{found.cores} cores of torch_xla's CPU client"
    return (
        f"{_head('rehearsed')}{found.backbone} in {found.precision}, {found.steps} steps of {small} "
        f"in {found.epochs} epochs, on {place}"
    )


def _inputs(found: Findings) -> str:
    rows = [(sent.name, sent.dtype, _shape(sent.shape), sent.sharding or "whole") for sent in found.inputs]
    return _head("inputs") + table(("what", "type", "shape", "sharding"), rows, indent=_INDENT).lstrip()


def _graphs(found: Findings) -> str:
    seen = Counter(found.graphs)
    rows = [(count, graph.when, _WHY.get(graph.why, graph.why), _short(graph.where)) for graph, count in seen.items()]
    first = (
        f"{_head('graphs')}{found.compiled} compiled in {found.seconds:.1f} s, {found.late} of them after the first "
        f"epoch; causes of {len(found.graphs)}:"
    )
    fell = ", ".join(f"{name} {count} times" for name, count in found.fallbacks.items())
    lines = [
        first,
        table(("graphs", "when", "why", "where"), rows, indent=_INDENT),
        f"{_head('fallbacks')}{fell or 'none'}; {found.reads} values read back within steps",
    ]
    return "\n".join(lines)


def _host(found: Findings) -> str:
    needed, small = batch_bytes(found.batch, found.size), batch_bytes(found.small_batch, found.small_size)
    return (
        f"{_head('host')}{needed / 1e6:.1f} MB a step to the cores at {found.size} px, batch {found.batch}; "
        f"measured here: {found.traffic / 1e6:.3f} MB a step, for a batch of {small / 1e6:.3f} MB"
    )


def _memory(found: Findings) -> str:
    print_ = found.footprint
    rows = [
        ("parameters and buffers", _gb(print_.parameters)),
        ("optimizer state", _gb(print_.optimizer)),
        ("average of the weights", _gb(print_.average)),
        (f"{BATCHES} batches", _gb(BATCHES * print_.batch)),
        ("gradients", _gb(print_.gradients)),
        ("activations kept, as PyTorch does", _gb(print_.activations)),
        ("of these, of convolutions and matrix products", _gb(print_.products)),
        ("gradients, activations and temporaries, the most at a time", _gb(print_.peak)),
        ("together, from the products alone to all", f"{_gb(print_.least)} to {_gb(print_.most)}"),
    ]
    title = f"one core, {found.size} px, {found.batch // found.cores} pictures, {found.precision}"
    lines = [_head("memory") + table((title, "GB"), rows, indent=_INDENT).lstrip(), f"{_INDENT}{_of_memory(found)}"]
    return "\n".join(lines)


def _arithmetic(found: Findings) -> str:
    flops = found.footprint.flops / 1e12
    return f"{_head('arithmetic')}{flops:.2f} TFLOP a step on one core, {flops * found.cores:.2f} on all"


def _of_memory(found: Findings) -> str:
    chip, print_ = f"{found.chip / 1e9:g} GB a core", found.footprint
    if print_.most <= found.chip:
        return f"fits into {chip}"
    mend = "if not, halve --data.batch_size and double --trainer.accumulate_grad_batches"
    if print_.least <= found.chip:
        return f"whether that fits into {chip} depends on how much XLA computes again: {mend}"
    return f"does not fit into {chip}: {mend.removeprefix('if not, ')}"


def _head(text: str) -> str:
    return f"{text:<{len(_INDENT)}}"


def _short(where: str) -> str:
    """A line of Python by its path within the package that it is of."""
    return re.sub(r"\(.*/site-packages/", "(", where.replace(_HERE, ""))


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f}"
