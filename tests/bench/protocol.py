"""What the driver and its workers say to each other: one line of JSON each, asked on stdin, answered on stdout.

A worker first says hello: its candidates, the versions that it measures. Then each line names a candidate to time. It
runs in an environment of its own, which need not hold this project: it may import nothing of it but this package.
"""

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TextIO

from .cpu import tree_seconds

Candidate = Callable[[float], int]
"""Works until `time.perf_counter()` has reached the argument; gives how many pictures it came to."""

_SETTLE = 0.4  # of a sample's length is worked beforehand, so that what filled the queues meanwhile is used up


class Job(NamedTuple):
    """What a worker needs to know.

    Attributes:
        folder: holds the shards NN-SxS-COUNT.tfrec.
        indices: holds an index SHARD.tfindex of each, for readers that need one.
        size: side of the pictures in pixels.
        batch_size: pictures in a batch.
        threads: decoding threads, or worker processes.
        seconds: how long a sample lasts.
    """

    folder: str
    indices: str
    size: int
    batch_size: int
    threads: int
    seconds: float


class Sample(NamedTuple):
    """How many pictures came in how many seconds, and the CPU seconds that this took in all processes and threads."""

    images: int
    seconds: float
    cpu_seconds: float


def drawn_from(batches: Iterator[int]) -> Candidate:
    """A candidate that goes on where it stopped: `batches` yields the number of pictures of each batch, without end."""

    def run(until: float) -> int:
        images = 0
        while time.perf_counter() < until:
            images += next(batches)
        return images

    return run


def take_sample(run: Candidate, seconds: float) -> Sample:
    """Time a candidate in steady state, for about `seconds`."""
    run(time.perf_counter() + _SETTLE * seconds)
    cpu, start = tree_seconds(os.getpid()), time.perf_counter()
    images = run(start + seconds)
    return Sample(images, time.perf_counter() - start, tree_seconds(os.getpid()) - cpu)


def serve(
    candidates: Mapping[str, Candidate], versions: Mapping[str, str], seconds: float, asked: TextIO, answers: TextIO
) -> None:
    """Say hello, then answer until the driver hangs up. A candidate that fails is an answer too."""
    _say(answers, candidates=list(candidates), versions=dict(versions))
    for line in asked:
        try:
            sample = take_sample(candidates[json.loads(line)], seconds)
            _say(answers, sample=sample)
        except Exception as error:
            traceback.print_exc()
            _say(answers, error=f"{type(error).__name__}: {error}")


def _say(answers: TextIO, **what: Any) -> None:
    print(json.dumps(what), file=answers, flush=True)
