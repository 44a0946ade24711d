"""What each option is worth on real photographs: `make ablation BENCH_ROOT=FOLDER`, of shards as the competition's.

A hard protocol, so that scores are not near 1: 12 photographs a class (fewer where there are fewer), drawn once from
train, and all of val, both made 160 px; tf_efficientnet_lite0, 6 epochs. Classes are nearly alike in size: options
for those that are not have little to do. Scored is the last epoch, on val, so that nothing is chosen by the score. All
rows are run with the first seed, then with the second and so on, each run a `fit` of its own; a row is written when its
run has ended, and a call goes on where the last one came to. A row of other versions or photographs is made anew.

`--imbalanced` is a protocol of its own, with a table of its own, for those options: the photographs of a class are as
many as its rank among the competition's has, 782 to 18, scaled down to 80 to 2 (fewer where there are fewer).
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.stats import false_discovery_control, ttest_rel

from lightning_flowers.data.sources.competition import Source, open_source
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.writer import Record
from lightning_flowers.errors import DataError
from lightning_flowers.run.results import Run, read_run
from lightning_flowers.run.summary import versions
from tests.shards import write_split

from . import rows as table

REPOSITORY = Path(__file__).parents[2]
EACH, SIZE, EPOCHS, DRAW, SHARDS, QUALITY = 12, 160, 6, 0, 4, 95
SEEDS, NOISE = (0, 1, 2), 0.05
# Around the default, the first: what is changed of it. Learning rates of other optimizers are those usual of them.
VARIANTS = (
    "",
    *(f"model.head_epochs={epochs}" for epochs in (1, 2)),
    *(f"model.layer_decay={decay}" for decay in (0.9, 0.8)),
    *(f"model.lr={rate}" for rate in ("3e-4", "3e-3")),
    *(f"data.augment={name}" for name in ("none", "crop", "trivial", "randaugment", "erasing", "study")),
    "model.label_smoothing=0",
    "model.first_size=96",
    *("model.mixup=0.2", "model.cutmix=1"),
    *(f"model.ema_decay={decay}" for decay in (0.9, 0.99)),
    *("model.dropout=0.2", "model.drop_path=0.1"),
    *(f"model.weight_decay={decay}" for decay in (0, 0.1)),
    *(f"model.warmup_epochs={epochs}" for epochs in (0, 2)),
    *("model.optimizer=nadamw", "model.optimizer=lamb model.lr=5e-3"),
    *("model.optimizer=lion model.lr=1e-4 model.weight_decay=0.1", "model.optimizer=sgd model.lr=5e-2"),
    *("model.loss=focal", "model.loss=logit_adjusted", "model.class_balance=0.999", "data.balance=1"),
)
# For classes that are not alike in size.
BALANCING = (
    *("", "data.balance=0.5", "data.balance=1"),
    *(f"model.class_balance={beta}" for beta in (0.9, 0.99, 0.999)),
    *("model.loss=focal", "model.loss=logit_adjusted"),
)
# Training images of the competition's classes, the most first.
COMPETITION = (
    782, 743, 703, 563, 460, 460, 422, 390, 306, 272, 263, 261, 260, 227, 201, 172, 167, 153, 146, 139, 139, 137,
    136, 134, 131, 127, 125, 125, 120, 119, 119, 118, 115, 112, 111, 110, 109, 106, 105, 105, 105, 104, 101, 100,
    96, 96, 96, 94, 93, 92, 90, 89, 87, 87, 86, 85, 84, 83, 73, 64, 63, 63, 58, 58, 57, 55,
    55, 50, 48, 46, 43, 41, 37, 36, 36, 34, 34, 33, 31, 31, 29, 29, 28, 27, 26, 26, 26, 25,
    24, 24, 24, 23, 21, 21, 21, 21, 20, 20, 19, 19, 19, 18, 18, 18,
)  # fmt: skip
LARGEST = 80


class Protocol(NamedTuple):
    """What is varied on which photographs, and where the results are."""

    table: Path
    made: Path
    variants: tuple[str, ...]
    is_imbalanced: bool = False


HARD = Protocol(Path(__file__).with_name("ablation.csv"), Path("build/ablation/hard"), VARIANTS)
IMBALANCED = Protocol(
    Path(__file__).with_name("ablation-imbalanced.csv"), Path("build/ablation/imbalanced"), BALANCING, True
)


class Scored(BaseModel):
    """A run of the table: the last epoch's scores on val, macro F1 over the classes that val has.

    cpu_seconds: of the whole command, on all cores: what else the machine does changes them less than a clock's.
    """

    changed: str = ""
    seed: int
    macro_f1: float
    accuracy: float
    cpu_seconds: float
    device: str
    versions: str
    photographs: str


def open_photographs() -> Source:
    """The real photographs, where BENCH_ROOT says they are."""
    try:
        return open_source(Path(os.environ["BENCH_ROOT"]))
    except (KeyError, DataError) as error:
        raise SystemExit(f"BENCH_ROOT: must name real photographs, in shards as the competition's: {error}") from None


def draw(source: Source, target: Path, is_imbalanced: bool = False) -> str:
    """Write the protocol's photographs as shards; gives their fingerprint."""
    size, splits = source.choose_size(None), []
    for name in ("train", "val"):
        split = source.open(name, size)
        chosen = drawn(split.labels, wanted(split.labels, is_imbalanced)) if name == "train" else range(len(split))
        splits.append((name, [_record(split, int(position)) for position in chosen]))
    target.mkdir(parents=True, exist_ok=True)
    (target / "classes.txt").write_text("\n".join(source.classes), "utf-8")
    for name, records in splits:
        folder = target / f"tfrecords-jpeg-{SIZE}x{SIZE}" / name
        for old in folder.glob("*.tfrec"):
            old.unlink()
        write_split(folder, SIZE, records, SHARDS)
    made = open_source(target)
    return "-".join(made.open(name, SIZE).fingerprint[:8] for name in ("train", "val"))


def drawn(labels: NDArray[np.int64], counts: Mapping[int, int]) -> NDArray[np.int64]:
    """Positions of so many photographs of each class, in their order."""
    order = np.random.default_rng(DRAW).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == label][:count] for label, count in counts.items()]))


def wanted(labels: NDArray[np.int64], is_imbalanced: bool) -> dict[int, int]:
    """How many photographs of each class are wanted; of unlike ones the most of the class that has most."""
    found, there = np.unique(labels, return_counts=True)
    if not is_imbalanced:
        return dict.fromkeys(found.tolist(), EACH)
    ranks = np.linspace(0, len(COMPETITION) - 1, len(found))
    counts = np.interp(ranks, np.arange(len(COMPETITION)), COMPETITION) * LARGEST / COMPETITION[0]
    order = np.argsort(-there, kind="stable")
    return dict(zip(found[order].tolist(), np.rint(counts).astype(int).tolist(), strict=True))


def run(changed: str, seed: int, seconds: float, made: Path) -> tuple[Run, float, float]:
    """A run on the photographs that were drawn, and the seconds and CPU seconds of the whole command.

    Raises:
        TimeoutExpired: it did not end in time.
        CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        protocol = [f"--data.root={made}", f"--data.size={SIZE}", f"--trainer.max_epochs={EPOCHS}"]
        given = [*protocol, "--predict=false", "--report=false", f"--runs_dir={folder}", "--name=run"]
        flags = [f"--{flag}" for flag in changed.split()]
        command = [sys.executable, "-m", "lightning_flowers", "fit", *given, f"--seed_everything={seed}", *flags]
        began = os.times()
        subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=True, timeout=seconds)
        spent = [after - before for after, before in zip(os.times(), began, strict=True)]
        _, _, user, system, clock = spent
        return read_run(Path(folder) / "run"), clock, user + system


def make(minutes: float, seeds: Sequence[int], of: Protocol, only: str = "") -> Iterator[list[Scored]]:
    """The rows so far, after each new one; none is begun that the minutes would not do for, as the last one took."""
    end, took = time.monotonic() + 60 * minutes, 0.0
    photographs = draw(open_photographs(), REPOSITORY / of.made, of.is_imbalanced)
    now = ", ".join(f"{name} {version}" for name, version in versions().items() if name in ("torch", "timm"))
    rows = [row for row in table.read(of.table, Scored) if (row.versions, row.photographs) == (now, photographs)]
    variants = [changed for changed in of.variants if re.search(only, changed) or not changed]
    missing = [(changed, seed) for seed in seeds for changed in variants if not _find(rows, changed, seed)]
    for number, (changed, seed) in enumerate(missing, 1):
        if (left := end - time.monotonic()) < took:
            return
        print(f"{number} of {len(missing)}: {changed or 'default'}, seed {seed}", file=sys.stderr)
        try:
            found, took, spent = run(changed, seed, left, of.made)
        except subprocess.TimeoutExpired:
            return
        except subprocess.CalledProcessError as error:
            print(f"exit {error.returncode}: left out of this call: {' '.join(error.cmd)}", file=sys.stderr)
            continue
        last, known = found.history[-1].model_dump(), {"seed": seed, "versions": now, "photographs": photographs}
        scores = {"macro_f1": last["val_macro_f1_present"], "accuracy": last["val_accuracy"]}
        cost = {"cpu_seconds": round(spent, 1), "device": found.hardware.device}
        rows.append(Scored.model_validate({"changed": changed, **known, **scores, **cost}))
        yield rows


def write(rows: list[Scored], of: Protocol) -> None:
    """Write the table, seed by seed, in the order of the variants."""
    order = {changed: number for number, changed in enumerate(of.variants)}
    known = [row for row in rows if row.changed in order]
    table.write(of.table, Scored, sorted(known, key=lambda row: (row.seed, order[row.changed])))


def markdown(rows: list[Scored], of: Protocol) -> str:
    """The table: differences are of runs with the same seed; sorted as they were run."""
    lines = [
        "| changed | seeds | macro F1 | spread | to the default | p | accuracy | CPU s |",
        f"|---|{'---:|' * 7}",
    ]
    known = [changed for changed in of.variants if any(row.changed == changed for row in rows)]
    differences = {changed: _differences(rows, changed) for changed in known if changed}
    chances = adjusted(differences)
    for changed in known:
        own = [row for row in rows if row.changed == changed]
        scores, paired = [row.macro_f1 for row in own], differences.get(changed)
        spread = f"{stdev(scores):.4f}" if len(scores) > 1 else ""
        gain, chance = f"{mean(paired):+.4f}" if paired else "", chances.get(changed)
        verdict = "" if chance is None else f"{chance:.2f}" + (", noise" if chance >= NOISE else "")
        means = f"{mean(row.accuracy for row in own):.4f} | {mean(row.cpu_seconds for row in own):.0f}"
        name = f"`{changed}`" if changed else "the default"
        lines.append(f"| {name} | {len(own)} | {mean(scores):.4f} | {spread} | {gain} | {verdict} | {means} |")
    return "\n".join(lines)


def adjusted(differences: dict[str, list[float]]) -> dict[str, float]:
    """The chance that there is no difference: scipy's paired t-test, by Benjamini and Hochberg for so many rows.

    One seed says nothing: such rows have none.
    """
    tested = {changed: values for changed, values in differences.items() if len(values) > 1}
    if not tested:
        return {}
    # Differences that are all the same have no spread, and no t.
    chances = [ttest_rel(v, [0.0] * len(v)).pvalue if len(set(v)) > 1 else 1.0 for v in tested.values()]
    return dict(zip(tested, map(float, false_discovery_control(chances)), strict=True))


def main() -> None:
    """Make what is missing of the table, as long as the minutes last, and print it."""
    parser = argparse.ArgumentParser(prog="make ablation", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="end the call after so many (default: never)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="a round each (default: 0 1 2)")
    parser.add_argument("--only", default="", help="a regular expression: what is changed, beside the default")
    parser.add_argument("--print", action="store_true", help="print the table as it is")
    parser.add_argument("--imbalanced", action="store_true", help="options for classes of unlike sizes, on such")
    given = parser.parse_args()
    of = IMBALANCED if given.imbalanced else HARD
    if not given.print:
        for rows in make(given.minutes, given.seeds, of, given.only):
            write(rows, of)
    print(markdown(table.read(of.table, Scored), of))


def _record(split: Split, position: int) -> Record:
    small = cv2.resize(split[position].picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    image = simplejpeg.encode_jpeg(np.ascontiguousarray(small), QUALITY, colorsubsampling="444")
    return Record(image, split.label(position), str(split.ids[position]))


def _find(rows: list[Scored], changed: str, seed: int) -> Scored | None:
    return next((row for row in rows if (row.changed, row.seed) == (changed, seed)), None)


def _differences(rows: list[Scored], changed: str) -> list[float]:
    pairs = [(row, _find(rows, "", row.seed)) for row in rows if row.changed == changed]
    return [row.macro_f1 - default.macro_f1 for row, default in pairs if default]


if __name__ == "__main__":
    main()
