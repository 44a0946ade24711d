"""One measurement, each in a process of its own: only so a GPU's memory comes back whole."""

import importlib
import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

from ..workers import REPOSITORY, HarnessError

# What can be measured, and the module whose `measure` does it. Their order is that of a round.
CANDIDATES = {
    "ours": "steps",
    "timm": "timm_script",
    "ours-compiled": "steps",
    "timm-compiled": "timm_script",
}
OTHERS = {"card": "card", "demo": "runs", "frozen": "runs"}
FROZEN_EPOCHS = 20  # as the study trained it


class Job(NamedTuple):
    """What is to be measured.

    Attributes:
        name: one of CANDIDATES or OTHERS.
        device: cuda or cpu.
        backbone: its short name, or timm's.
        root: the data set, in the competition's layout.
        size: side of the pictures in pixels.
        batch: pictures in a batch.
        steps: of training, those included that only warm up.
    """

    name: str
    device: str
    backbone: str = ""
    root: str = ""
    size: int = 0
    batch: int = 0
    steps: int = 0

    @property
    def compiled(self) -> bool:
        return self.name.endswith("compiled")


def measure(job: Job) -> dict[str, Any]:
    """What was found; {"oom": True} where the device's memory did not do."""
    module = importlib.import_module(f".{(CANDIDATES | OTHERS)[job.name]}", __package__)
    return module.measure(job)


def launch(job: Job, seconds: float) -> dict[str, Any]:
    """`measure` in a new process.

    Raises:
        HarnessError: it failed, or did not end in time.
    """
    command = [sys.executable, "-m", f"{__package__}.jobs", json.dumps(job)]
    paths = [str(REPOSITORY), str(REPOSITORY / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, timeout=seconds, text=True, check=False)
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{job.name} did not end in {seconds:.0f} s") from None
    if done.returncode:
        raise HarnessError(f"{job.name} failed: exit status {done.returncode}")
    return json.loads(done.stdout)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come before the answer
    print(json.dumps(measure(Job(*json.loads(sys.argv[1])))), file=answers)


if __name__ == "__main__":
    main()
