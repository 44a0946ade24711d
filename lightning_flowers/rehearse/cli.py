"""The command line of `rehearse`."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning_flowers.files import write_text
from lightning_flowers.model.backbones import timm_name
from lightning_flowers.records.text import say
from lightning_flowers.rehearse import report
from lightning_flowers.rehearse.chips import find_chip
from lightning_flowers.rehearse.compiling import Compiler, one_at_a_time
from lightning_flowers.rehearse.estimate import Estimate, RunTime, estimate, run_time
from lightning_flowers.rehearse.search import largest_batch
from lightning_flowers.rehearse.tracing import Graph, Trace, trace

FAILED = 1


def run(args: list[str]) -> int:
    """Run `rehearse ...` and return its exit status: 0, or 1 if the run would not go well on a TPU.

    Raises:
        UserError: a mistake in the arguments, or torch_xla, libtpu or jax is not there.
    """
    traced = trace(args)
    compiler = Compiler(find_chip(traced.asked.chip), traced.asked.compiler)
    with one_at_a_time():
        say(report.of_run(traced, compiler.versions))
        estimates = [estimate(graph, compiler, traced.cores) for graph in _with_progress(traced.graphs)]
        times = run_time(traced, estimates) if all(one.compiled for one in estimates) else None
        _say_estimates(traced, estimates, times)
        failures = _failures(traced, estimates, times)
        if traced.asked.largest_batch:
            _say_largest(args, traced, compiler)
    say(report.verdict(failures))
    if traced.asked.json:
        facts = _facts(traced, compiler, estimates, times)
        text = json.dumps({**facts, "failures": failures}, indent=1)
        write_text(Path(traced.asked.json).expanduser(), f"{text}\n")
    return FAILED if failures else 0


def _say_estimates(traced: Trace, estimates: list[Estimate], times: RunTime | None) -> None:
    say(report.of_graphs(estimates, traced.asked.data.batch_size))
    step = next((one for one in estimates if one.graph.stage == "training step"), None)
    if step and step.compiled:
        say(report.of_step(step, traced.state))
    if times:
        say(report.of_run_time(times, traced.asked.hours))


def _failures(traced: Trace, estimates: list[Estimate], times: RunTime | None) -> list[str]:
    """What stands against the run, a line each."""
    failures = [*traced.failures(), *(_why(one, traced) for one in estimates if one.refused)]
    if times and times.all > 3600 * traced.asked.hours:
        failures.append(f"takes longer than --hours={traced.asked.hours:g}: fewer --trainer.max_epochs")
    return failures


def _why(one: Estimate, traced: Trace) -> str:
    if not one.needed:
        return f"{one.graph.stage}: libtpu does not take it: {one.refused}"
    needs = f"{one.needed / 2**30:.1f} of {one.there / 2**30:.1f} GiB a core at batch {traced.asked.data.batch_size}"
    mend = "halve --data.batch_size and double --trainer.accumulate_grad_batches, or see --largest-batch"
    return f"{one.graph.stage}: does not fit, needs {needs}: {mend}"


def _say_largest(args: list[str], traced: Trace, compiler: Compiler) -> None:
    batch = traced.asked.data.batch_size
    fits = largest_batch(args, batch, traced.cores, compiler, lambda tried: _tell(f"does a batch of {tried} fit?"))
    say(report.head("largest", f"a batch of {fits} fits" if fits else "not one picture a core fits"))


def _facts(traced: Trace, compiler: Compiler, estimates: list[Estimate], times: RunTime | None) -> dict[str, Any]:
    asked = traced.asked
    facts: dict[str, Any] = {
        "backbone": asked.model.backbone,
        "chip": asked.chip,
        "cores": traced.cores,
        "size": traced.size,
        "batch": asked.data.batch_size,
        "precision": traced.precision,
        "versions": compiler.versions,
        "timm_name": timm_name(asked.model.backbone),
        "trainable": not asked.model.freeze_backbone,
        "records": dict(zip(("train", "val"), traced.records, strict=True)),
        "late": traced.late,
        "fallbacks": traced.fallbacks,
        "reads": traced.reads,
        "state": traced.state,
        "graphs": [one.as_dict() for one in estimates],
    }
    if times:
        facts["estimated"] = {**times._asdict(), "epoch": times.epoch, "all": times.all}
    return facts


def _with_progress(graphs: list[Graph]) -> Iterator[Graph]:
    for number, graph in enumerate(graphs, 1):
        _tell(f"graph {number} of {len(graphs)}: {graph.stage} is compiled")
        yield graph


def _tell(text: str) -> None:
    """Progress, on stderr where that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
