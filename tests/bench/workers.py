"""The driver's side of a worker, and how an undisturbed sample is had from it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from .cpu import busy_seconds, tree_seconds, wait_until_quiet
from .protocol import Job, Sample

REPOSITORY = Path(__file__).parents[2]
_DISTURBED = 0.12  # cores that anything but the worker may use while it is timed
_TRIES = 4  # of each sample; the least disturbed one counts
_PATIENCE = 10.0  # seconds to wait for quiet before each
_FAREWELL = 20.0  # seconds in which a worker must end once the driver hung up
_ANSWER = 300.0  # seconds in which a worker must answer


class HarnessError(Exception):
    """The bench itself failed: there is nothing to compare."""


class Taken(NamedTuple):
    """A sample, the cores that others used meanwhile, and how many more disturbed ones were dropped for it."""

    sample: Sample
    foreign: float
    dropped: int


class Worker:
    """A process that times its candidates when it is asked to.

    Args:
        command: starts it.
        environment: added to this process's own.

    Attributes:
        candidates: their names, once it was greeted.
        versions: of the packages that it measures, likewise.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.candidates: list[str] = []
        self.versions: dict[str, str] = {}

    def greet(self) -> None:
        """Wait until it is ready.

        Raises:
            HarnessError: it did not start.
        """
        hello = self._answer()
        self.candidates, self.versions = hello["candidates"], hello["versions"]

    def sample(self, candidate: str) -> Sample:
        """Have one sample taken.

        Raises:
            HarnessError: the candidate or the worker failed.
        """
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it has ended: it will not answer
            print(json.dumps(candidate), file=self._process.stdin, flush=True)
        return Sample(*self._answer()["sample"])

    def cpu_seconds(self) -> float:
        """CPU seconds of its processes so far."""
        return tree_seconds(self._process.pid)

    def close(self) -> None:
        """Hang up, and end it if it goes on."""
        try:
            self._process.communicate(timeout=_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        watchdog = Timer(_ANSWER, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        answer = json.loads(line) if line else {"error": f"no answer from {self._process.args}"}
        if "error" in answer:
            raise HarnessError(answer["error"])
        return answer


def start(module: str, environment: Path, job: Job) -> Worker:
    """Start the worker for a module of this package in a virtual environment.

    Raises:
        HarnessError: there is no such environment.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        raise HarnessError(f"{environment} is not there: run this by `make bench-input`")
    command = [str(python), "-W", "ignore", "-m", f"{__package__}.worker", module, json.dumps(job._asdict())]
    return Worker(command, {"PYTHONPATH": str(REPOSITORY / "tests")})


def take(worker: Worker, candidate: str) -> Taken:
    """Have a sample taken while the machine does nothing else, or nearly so.

    What others do is what the cores did less what the worker did: also what other workers do in the background.

    Raises:
        HarnessError: the candidate failed.
    """
    taken: list[Taken] = []
    for _ in range(_TRIES):
        wait_until_quiet(_DISTURBED, _PATIENCE)
        start, busy, own = time.perf_counter(), busy_seconds(), worker.cpu_seconds()
        sample = worker.sample(candidate)
        foreign = (busy_seconds() - busy) - (worker.cpu_seconds() - own)
        taken.append(Taken(sample, max(0.0, foreign) / (time.perf_counter() - start), 0))
        if taken[-1].foreign < _DISTURBED:
            break
    best = min(taken, key=lambda each: each.foreign)
    return best._replace(dropped=len(taken) - 1)


def log(what: str) -> None:
    """Tell the one who waits, on stderr: stdout is for the results."""
    print(what, file=sys.stderr, flush=True)
