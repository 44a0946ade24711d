"""The driver: `make bench-input` starts it.

Each round has every candidate take one sample, in shuffled order and one at a time, on two cores; the medians over the
rounds are compared. What drifts drifts for all. Samples that something else disturbed are taken anew. Needs Linux.

The workers together hold up to 20 GB at 512 px, most of it the kernels' shuffle buffer, and every picture decoded,
twice.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lightning_flowers.errors import DataError

from . import cpu, petals, report
from .protocol import Job, Sample
from .workers import REPOSITORY, HarnessError, Worker, log, start, take

CORES = 2
BATCH_SIZE = 32
WARM_UPS = 2  # samples that do not count: caches and shuffle buffers are filled, memory is had from the system


class Place(NamedTuple):
    """A module of candidates, the environment that it runs in, and whether the bench goes on without it."""

    module: str
    environment: str
    optional: bool = False


PLACES = {
    Place("ours", ".venv"): ("ours", "pure_decode", "cached", "cached_flips", "cache_memcpy", "fresh_memcpy"),
    Place("peer_tensorflow", ".venv-bench"): ("tfdata_tuned", "tfdata_kernel"),
    Place("peer_obvious", ".venv-bench"): ("obvious",),
    Place("peer_dali", ".venv-bench", optional=True): ("dali",),
}
CANDIDATES = [name for names in PLACES.values() for name in names]
Samples = dict[str, list[Sample]]


class Bench:
    """One run at one size.

    Attributes:
        samples: by candidate.
        left_out: why a candidate could not be measured.
        versions: of the packages that were measured.
        dropped: disturbed samples that were taken anew.
        foreign: the most cores that others used during a sample that counts.
        memory: bytes that all workers held at once, at most.
    """

    def __init__(self, job: Job, wanted: Iterable[str]) -> None:
        self.job, self.wanted = job, set(wanted)
        self.samples: Samples = {}
        self.left_out: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.dropped, self.foreign, self.memory = 0, 0.0, 0

    def run(self, rounds: int) -> None:
        """Warm up, then go round.

        Raises:
            HarnessError: a candidate failed.
        """
        with self._workers() as turns:
            for candidate, worker in turns * WARM_UPS:
                log(f"{self.job.size} px: {candidate} warms up")
                worker.sample(candidate)
            shuffled = random.Random(self.job.size)
            for number in range(rounds):
                log(f"{self.job.size} px: round {number + 1} of {rounds}")
                shuffled.shuffle(turns)
                for candidate, worker in turns:
                    self._take(candidate, worker)

    def _take(self, candidate: str, worker: Worker) -> None:
        taken = take(worker, candidate)
        self.samples.setdefault(candidate, []).append(taken.sample)
        self.dropped += taken.dropped
        self.foreign = max(self.foreign, taken.foreign)
        self.memory = max(self.memory, cpu.tree_bytes(os.getpid()))

    @contextmanager
    def _workers(self) -> Iterator[list[tuple[str, Worker]]]:
        """All workers, started side by side: importing takes longest. Gives each candidate with its worker."""
        workers: dict[Place, Worker] = {}
        try:
            for place, names in PLACES.items():
                if not self.wanted.isdisjoint(names):
                    workers[place] = start(place.module, REPOSITORY / place.environment, self.job)
            ready = [worker for place, worker in workers.items() if self._greet(place, worker)]
            yield [(name, worker) for worker in ready for name in worker.candidates if name in self.wanted]
        finally:
            for worker in workers.values():
                worker.close()

    def _greet(self, place: Place, worker: Worker) -> bool:
        try:
            worker.greet()
        except HarnessError as error:
            if not place.optional:
                raise
            self.left_out |= dict.fromkeys(PLACES[place], str(error))
            return False
        self.versions |= worker.versions
        return True


def measure(size: int, arguments: argparse.Namespace) -> tuple[Bench, dict[str, Any]]:
    """Measure one size, print its table; gives the facts about its data too."""
    folder = petals.find(size)
    records, mean_bytes = petals.describe(folder, size)
    with tempfile.TemporaryDirectory() as indices:
        petals.write_indices(folder, size, Path(indices))
        job = Job(str(folder.resolve()), indices, size, BATCH_SIZE, len(cpu.cores()), arguments.seconds)
        bench = Bench(job, arguments.only)
        bench.run(arguments.rounds)
    print(f"{size} px: {records} pictures of {mean_bytes / 1000:.1f} KB (mean), batches of {BATCH_SIZE}")
    print(report.table(summaries(bench), bench.left_out), end="\n\n", flush=True)
    return bench, {"records": records, "mean_bytes": round(mean_bytes)}


def summaries(bench: Bench) -> dict[str, report.Summary]:
    return {name: report.summarize(samples) for name, samples in bench.samples.items()}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-input", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="samples of each candidate (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a sample (default: 2)")
    parser.add_argument("--sizes", type=_sizes, default=petals.SIZES, help="default: 512,224")
    parser.add_argument("--only", type=_candidates, default=CANDIDATES, help=f"some of {','.join(CANDIDATES)}")
    return parser.parse_args(arguments)


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def _candidates(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(CANDIDATES):
        raise argparse.ArgumentTypeError(f"no such candidate: {', '.join(sorted(unknown))}")
    return names


def main() -> None:
    arguments = parse()
    os.sched_setaffinity(0, sorted(cpu.cores())[:CORES])
    runs = {size: measure(size, arguments) for size in arguments.sizes}
    benches = {size: bench for size, (bench, _) in runs.items()}
    facts = {
        "data": {size: data for size, (_, data) in runs.items()},
        "cores": len(cpu.cores()),
        "cpu": cpu.model(),
        "versions": {name: version for bench in benches.values() for name, version in bench.versions.items()},
        "disturbed_dropped": sum(bench.dropped for bench in benches.values()),
        "foreign_cores_max": round(max(bench.foreign for bench in benches.values()), 3),
        "memory_gb_max": round(max(bench.memory for bench in benches.values()) / 1e9, 1),
    }
    left_out = {name: why for bench in benches.values() for name, why in bench.left_out.items()}
    by_size = {size: summaries(bench) for size, bench in benches.items()}
    print(json.dumps(report.as_json(arguments.rounds, by_size, left_out, facts)))


if __name__ == "__main__":
    try:
        main()
    except (HarnessError, DataError) as error:
        sys.exit(f"bench-input: {error}")
