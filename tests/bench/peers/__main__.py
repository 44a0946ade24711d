"""How well photographs are learnt: `make bench-peers BENCH_ROOT=FOLDER TIMM_TRAIN=FILE`, of the competition's shards.

`fit` as it is, timm's train script and fastai's `fine_tune` teach tf_efficientnet_lite0, with ImageNet's weights at the
start, the same photographs in six epochs and batches of 32. `hard` are those of `make ablation` (12 a class, 160 px),
`full` all at 224 px. Peers are tried in several settings with the first seed, on `hard`; the best of those goes on with
the other seeds, and on `full`. Scored is the last epoch, on val, by macro F1 over the classes that val has. A row is
written when its run has ended, and a call goes on where the last one came to. CPU seconds are of the whole command, on
all cores.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import safetensors.torch
from pydantic import BaseModel
from sklearn.metrics import accuracy_score, f1_score

from lightning_flowers.data.sources.competition import Source, open_source
from lightning_flowers.model.weights import lite0_state_dict
from lightning_flowers.run.results import read_run

from .. import ablation
from .. import rows as table

TABLE = Path(__file__).parents[1] / "peers.csv"
REPOSITORY, MADE, HERE = ablation.REPOSITORY, ablation.REPOSITORY / "build/peers", Path(__file__).parent
PYTHON = REPOSITORY / ".venv-bench/bin/python"
SEEDS = (0, 1, 2)
_TIMM = "--opt=adamw --lr=1e-3 --weight-decay=0.01 --sched-on-updates --warmup-epochs=1 --channels-last"
_CROP = "--scale 0.35 1.0"
# What is tried of each. timm's documentation has no settings for small sets: the optimizer, its rate and its schedule
# by steps are ours, the rest is the script's default, then changed as its users do. fastai's has them: the first.
SETTINGS = {
    "lightning_flowers": ("",),
    "timm": (
        _TIMM,
        f"{_TIMM} {_CROP}",
        f"{_TIMM} {_CROP} --color-jitter=0 --crop-pct=1.0",
        f"{_TIMM} --scale 0.8 1.0 --color-jitter=0 --crop-pct=1.0",
        f"{_TIMM} {_CROP} --layer-decay=0.8",
        f"{_TIMM} {_CROP} --model-ema --model-ema-decay=0.98",
    ),
    "fastai": ("", "lr=5e-3", "lr=1e-2", "lr=5e-3 crop=0.35", "lr=5e-3 smoothing=0.1"),
}


class Scored(BaseModel):
    """A run of the table."""

    protocol: str
    trainer: str
    settings: str = ""
    seed: int
    macro_f1: float
    accuracy: float
    cpu_seconds: float
    seconds: float


class Protocol(NamedTuple):
    """The same photographs as shards and as folders of classes, and their size."""

    name: str
    root: Path
    folders: Path
    size: int


def prepare(name: str, source: Source) -> Protocol:
    """Make what the trainers read: shards for ours, the very same JPEGs in folders for the others."""
    root, size = source.root, source.choose_size(None)
    if name == "hard":
        root, size = REPOSITORY / ablation.HARD.made, ablation.SIZE
        ablation.draw(source, root)
    made, folders = open_source(root), MADE / name
    for split_name in ("train", "val"):
        split = made.open(split_name, size)
        for position in range(len(split)):
            place = folders / split_name / f"{split.label(position):03d}" / f"{split.ids[position]}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(split.image_bytes(position))
    return Protocol(name, Path(root), folders, size)


def weights() -> Path:
    """The ImageNet weights, by timm's names."""
    MADE.mkdir(parents=True, exist_ok=True)
    file = MADE / "tf_efficientnet_lite0.safetensors"
    if not file.is_file():
        tensors = {name: tensor.contiguous() for name, tensor in lite0_state_dict().items()}
        safetensors.torch.save_file(tensors, file)
    return file


def run(protocol: Protocol, trainer: str, settings: str, seed: int) -> Scored:
    """Train, and score what the last epoch says of val.

    Raises:
        CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, runs = Path(folder) / "guesses.csv", Path(folder)
        if trainer == "lightning_flowers":
            command = [sys.executable, "-m", "lightning_flowers", "fit", f"--data.root={protocol.root}"]
            command += [f"--data.size={protocol.size}", f"--trainer.max_epochs={ablation.EPOCHS}", "--report=false"]
            command += [f"--seed_everything={seed}", f"--runs_dir={runs}", "--name=run", "--predict=false"]
            command += ["--model.backbone=tf_efficientnet_lite0", *settings.split()]
        else:
            script = HERE / f"{trainer}_run.py"
            numbers = [str(number) for number in (protocol.size, ablation.EPOCHS, seed)]
            command = [str(PYTHON), str(script), str(protocol.folders), str(weights()), *numbers, str(file)]
            command += settings.split()
        began, used = time.monotonic(), _used()
        subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=True)
        seconds = {"seconds": round(time.monotonic() - began, 1), "cpu_seconds": round(_used() - used, 1)}
        scores = _of_fit(runs / "run") if trainer == "lightning_flowers" else score(file)
    known = {"protocol": protocol.name, "trainer": trainer, "settings": settings, "seed": seed}
    return Scored.model_validate({**known, **scores, **seconds})


def score(file: Path) -> dict[str, float]:
    """Macro F1 over the classes that val has, and accuracy, of lines CLASS/PICTURE,guess."""
    with file.open(encoding="utf-8", newline="") as lines:
        pairs = [(Path(picture).parent.name, guess) for picture, guess in csv.reader(lines)]
    truth, guesses = zip(*pairs, strict=True)
    macro = f1_score(truth, guesses, labels=sorted(set(truth)), average="macro")
    return {"macro_f1": round(float(macro), 6), "accuracy": round(float(accuracy_score(truth, guesses)), 6)}


def make(protocol: Protocol, trainers: Sequence[str], seeds: Sequence[int], minutes: float) -> Iterator[list[Scored]]:
    """The rows so far, after each new one: each setting where they are tried, elsewhere the best of those."""
    end, rows = time.monotonic() + 60 * minutes, table.read(TABLE, Scored)
    for seed in seeds:
        for trainer in trainers:
            is_search = protocol.name == "hard" and seed == SEEDS[0]
            tried = SETTINGS[trainer] if is_search else (best(rows, trainer),)
            for settings in tried:
                known = (protocol.name, trainer, settings, seed)
                if any((row.protocol, row.trainer, row.settings, row.seed) == known for row in rows):
                    continue
                if time.monotonic() > end:
                    return
                print(f"{trainer} {settings or 'as it is'}, seed {seed}", file=sys.stderr)
                rows.append(run(protocol, trainer, settings, seed))
                yield rows


def best(rows: Sequence[Scored], trainer: str) -> str:
    """The settings that scored best where all were tried; they have an advantage over what was never chosen."""
    own = [row for row in rows if (row.protocol, row.trainer, row.seed) == ("hard", trainer, SEEDS[0])]
    if not own:
        raise SystemExit(f"--protocol=full: make --protocol=hard first, where the settings of {trainer} are tried")
    return max(own, key=lambda row: row.macro_f1).settings


def markdown(rows: Sequence[Scored]) -> str:
    """The table, as tests/bench/README.md shows it: of each trainer the settings that went on, then the others."""
    lines = [
        "| photographs | by | settings | seeds | macro F1 | spread | accuracy | CPU s |",
        f"|---|---|---|{'---:|' * 5}",
    ]
    for known in dict.fromkeys((row.protocol, row.trainer, row.settings) for row in rows):
        own = [row for row in rows if (row.protocol, row.trainer, row.settings) == known]
        scores = [row.macro_f1 for row in own]
        spread = f"{stdev(scores):.4f}" if len(scores) > 1 else ""
        means = f"{mean(row.accuracy for row in own):.4f} | {mean(row.cpu_seconds for row in own):.0f}"
        changed = known[2].removeprefix(_TIMM).strip()
        settings = f"`{changed}`" if changed else "as it is"
        lines.append(f"| {known[0]} | {known[1]} | {settings} | {len(own)} | {mean(scores):.4f} | {spread} | {means} |")
    return "\n".join(lines)


def main() -> None:
    """Make what is missing of the table, as long as the minutes last, and print it."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--protocol", choices=("hard", "full"), default="hard", help="(default: hard)")
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), help="(default: all)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after so many")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="(default: 0 1 2)")
    parser.add_argument("--print", action="store_true", help="print the table as it is")
    given = parser.parse_args()
    if not given.print:
        if "timm" in given.only and not Path(os.environ.get("TIMM_TRAIN", "")).is_file():
            raise SystemExit("TIMM_TRAIN names no train.py of timm's (--only fastai does without)")
        protocol = prepare(given.protocol, ablation.open_photographs())
        for rows in make(protocol, given.only, given.seeds, given.minutes):
            table.write(TABLE, Scored, rows)
    print(markdown(table.read(TABLE, Scored)))


def _of_fit(run: Path) -> dict[str, float | None]:
    last = read_run(run).history[-1]
    return {"macro_f1": last.val_macro_f1_present, "accuracy": last.val_accuracy}


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
