"""Runs petals.py in place of Kaggle: three sessions in an environment like its image's, without any package index.

The first session's time is up within its first run; the second, whose inputs are mounted in the newer layout, goes on
with the first's output; the third trains on 8 cores of torch_xla's CPU client.

    PYTHONPATH=tests python kaggle/check.py PYTHON WHEELS

PYTHON is an interpreter that has what the image has, WHEELS what `make kaggle-wheels` made.
"""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from conftest import write_petals  # pyright: ignore[reportMissingImports]
from petals import BACKBONES, KEPT, NAME

KAGGLE = Path(__file__).parent.absolute()
FLAGS = ["--data.cache=none", "--trainer.enable_progress_bar=false"]
RUN = f"{BACKBONES[0]}-seed0"
LONG = ["--trainer.max_epochs=60"]  # more than the first two sessions have time for
ON_CORES = ["--trainer.accelerator=tpu", "--trainer.max_epochs=1", "--trainer.limit_train_batches=3"]
CORES = {"PJRT_DEVICE": "CPU", "CPU_NUM_DEVICES": "8"}
IMAGE = {"TPU_PROCESS_ADDRESSES": "local"}  # as its TPU image has it: one process, eight chips
PICTURES = {"train": 6400, "val": 64, "test": 48}


def main(python: str, wheels: Path) -> None:
    """Run the sessions one after the other."""
    check_wheels(wheels)
    before = versions(python)
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old"), Path(folder, "new")
        data = write_petals(old / "input" / "tpu-getting-started", **PICTURES)
        shutil.copytree(wheels, old / "input" / "lightning-flowers-wheels")
        session(python, old, [*FLAGS, *LONG, f"--data.root={data}"], minutes=5)
        first = check_output(old, data)
        check(RUN in (old / "working" / "runs" / NAME / "campaign.json").read_text(), "the first run was cut short")

        (new / "input").mkdir(parents=True)
        data = move(data, new / "input" / "competitions" / "tpu-getting-started")
        move(old / "input" / "lightning-flowers-wheels", new / "input" / "datasets" / "someone" / "wheels")
        move(old / "working", new / "input" / "notebooks" / "someone" / "petals")
        session(python, new, [*FLAGS, *LONG, f"--data.root={data}"], minutes=3)
        second = check_output(new, data)
        check(second[: len(first)] == first and len(second) > len(first), "the second session goes on with the first")

        shutil.rmtree(new / "working")
        shutil.rmtree(new / "input" / "notebooks")
        session(python, new, [*FLAGS, *ON_CORES, f"--data.root={data}"], minutes=5, **CORES)
        check_output(new, data)
    check(versions(python) == before, f"the image keeps its own {', '.join(sorted(before))}")


def session(python: str, kaggle: Path, flags: list[str], minutes: float, **environment: str) -> None:
    """One run of the script with `kaggle` in place of /kaggle."""
    working = kaggle / "working"
    working.mkdir()
    code = "import sys; from pathlib import Path; from petals import main; "
    code += f"main(Path({str(kaggle / 'input')!r}), Path({str(working)!r}), {flags!r}, {minutes / 60})"
    offline = {"PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(KAGGLE), **IMAGE}
    subprocess.run([python, "-c", code], check=True, cwd=working, env={**os.environ, **offline, **environment})


def check_output(kaggle: Path, data: Path) -> list[str]:
    """Look at a session's submission; gives the lines of the run's history."""
    with (kaggle / "working" / "submission.csv").open(newline="") as lines:
        ids = {row["id"] for row in csv.DictReader(lines)}
    with (data / "sample_submission.csv").open(newline="") as lines:
        check(ids == {row["id"] for row in csv.DictReader(lines)}, "the submission has every test id")
    return (kaggle / "working" / "runs" / NAME / "runs" / RUN / "metrics.csv").read_text().splitlines()


def check_wheels(wheels: Path) -> None:
    """Nothing of what must not move, and nothing but wheels, settings and metadata, is among them."""
    files = {path.name.lower() for path in wheels.iterdir()}
    check(all(name.endswith((".whl", ".yaml", "dataset-metadata.json")) for name in files), "wheels are built")
    carried = {name.split("-")[0] for name in files if name.endswith(".whl")}
    check(carried.isdisjoint(KEPT) and not any(name.startswith("nvidia") for name in carried), "torch is left out")


def versions(python: str) -> dict[str, str]:
    """What an environment has of what must stay."""
    code = "import petals; print(petals.constraints())"
    there = {**os.environ, "PYTHONPATH": str(KAGGLE)}
    answer = subprocess.run([python, "-c", code], check=True, env=there, stdout=subprocess.PIPE, text=True)
    return dict(line.split("==") for line in answer.stdout.split())


def move(folder: Path, target: Path) -> Path:
    """Move a folder, making those above it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return folder.rename(target)


def check(holds: bool, what: str) -> None:
    """Say what holds, or end with what does not."""
    if not holds:
        sys.exit(f"kaggle-check: NOT SO: {what}")
    sys.stdout.write(f"kaggle-check: {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).absolute()), Path(sys.argv[2]))
