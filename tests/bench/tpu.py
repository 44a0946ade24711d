"""The table of what libtpu says of the five backbones on three TPUs: `make tpu-table`.

Each row is a rehearsal, and is written when it has ended: begun again, the table goes on where it was. A row that other
versions have made is made anew.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from lightning_flowers.compare.study import RESULTS

from . import rows as table

CHIPS = ("v5e-8", "v3-8", "v6e-8")
REPOSITORY = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("estimates.csv")
# Seconds an epoch of the competition's 12,753 + 3,712 records took on a v3-8 with TensorFlow, by backbone, size and
# global batch: the study's runs of whole models, its comparison of hardware, and Google's "Flower book" (public).
MEASURED = {
    **{(name, row.size, 128): row.seconds_per_epoch for name, row in RESULTS.items() if row.trainable},
    ("densenet201", 224, 128): 25.0,
    ("xception", 512, 256): 22.0,
}


class Wanted(NamedTuple):
    """A rehearsal that the table needs."""

    backbone: str
    chip: str
    size: int
    batch: int


class Estimated(BaseModel):
    """A row of the table: what libtpu said of a backbone on a chip. Where it does not fit there is but `gigabytes`.

    gigabytes: of a core, of the graph that needs the most.
    compile_seconds: of all graphs, where the table was made.
    million_cycles, milliseconds: of a training step, or a step of the pass that makes a frozen backbone's features.
    train_seconds, val_seconds: of an epoch.
    features_seconds: of a frozen backbone's features, once a run.
    """

    backbone: str
    chip: str
    size: int
    batch: int
    gigabytes: float
    compile_seconds: float | None = None
    million_cycles: float | None = None
    milliseconds: float | None = None
    train_seconds: float | None = None
    val_seconds: float | None = None
    features_seconds: float | None = None
    versions: str

    @property
    def epoch_seconds(self) -> float | None:
        """Of train and val."""
        return None if self.train_seconds is None or self.val_seconds is None else self.train_seconds + self.val_seconds

    @property
    def measured(self) -> float | None:
        """Seconds that such an epoch took where others measured it."""
        return MEASURED.get((self.backbone, self.size, self.batch)) if self.chip == "v3-8" else None


def read() -> list[Estimated]:
    """The rows as they were made; none before."""
    return table.read(TABLE, Estimated)


def calibrations() -> list[tuple[Estimated, float]]:
    """Rows beside which something was measured, and how many times as long as estimated that took."""
    return [(row, row.measured / row.epoch_seconds) for row in read() if row.measured and row.epoch_seconds]


def wanted() -> list[Wanted]:
    """The five backbones on each TPU; and on a v3-8 also what others measured."""
    of_chip = {chip: [Wanted(name, chip, row.size, 128) for name, row in RESULTS.items()] for chip in CHIPS}
    of_chip["v3-8"] += [Wanted(name, "v3-8", size, batch) for name, size, batch in MEASURED]
    return list(dict.fromkeys(row for rows in of_chip.values() for row in rows))


def rehearse(row: Wanted) -> dict[str, Any]:
    """What `rehearse` says of a run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "findings.json"
        given = [f"--config=configs/{row.backbone}.yaml", f"--chip={row.chip}", f"--json={file}"]
        settings = [f"--data.size={row.size}", f"--data.batch_size={row.batch}"]
        command = [sys.executable, "-m", "lightning_flowers", "rehearse", *given, *settings]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=False)
        if not file.is_file():
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}")
        return json.loads(file.read_text("utf-8"))


def estimated(row: Wanted, facts: dict[str, Any], versions: str) -> Estimated:
    """The row of the table."""
    needed = max(graph["needed"] for graph in facts["graphs"]) / 1e9
    known = {**row._asdict(), "versions": versions, "gigabytes": round(needed, 2)}
    times = facts.get("estimated")
    if times is None:
        return Estimated(**known)
    step = max((graph for graph in facts["graphs"] if graph["stage"] in ("training step", "feature pass")), key=_cycles)
    return Estimated(
        **known,
        compile_seconds=round(times["compiling"]),
        million_cycles=round(step["cycles"] / 1e6, 1),
        milliseconds=round(step["seconds"] * 1e3, 1),
        train_seconds=round(times["train"], 2),
        val_seconds=round(times["val"], 2),
        features_seconds=round(times["once"], 1) or None,
    )


def write(rows: list[Estimated]) -> None:
    """Write the table, in the order wanted."""
    order = {row: number for number, row in enumerate(wanted())}
    rows.sort(key=lambda row: order[_key(row)])
    table.write(TABLE, Estimated, rows)


def markdown(rows: list[Estimated]) -> str:
    """The tables of README.md here: estimates beside the study's seconds, and beside what was measured."""
    lines = [
        "| | TPU | GB a core | compile s | ms a step | train + val s an epoch | the study, v3-8 |",
        f"|---|---|{'---:|' * 5}",
    ]
    lines += [_line(row) for row in rows if (row.size, row.batch) == (512, 128)]
    lines += ["", "| on a v3-8 | px | batch | measured s an epoch | estimated | times as long |", f"|---|{'---:|' * 5}"]
    lines += [
        f"| {row.backbone} | {row.size} | {row.batch} | {row.measured:g} | {row.epoch_seconds:.1f} | {ratio:.1f} |"
        for row, ratio in calibrations()
    ]
    return "\n".join(lines)


def main() -> None:
    """Make what is missing of the table, and print it."""
    parser = argparse.ArgumentParser(prog="make tpu-table", description=__doc__)
    parser.add_argument("--anew", action="store_true", help="make all rows again")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="rows of these backbones and chips alone")
    parser.add_argument("--print", action="store_true", help="print the table as it is")
    given = parser.parse_args()
    if not given.print:
        for rows in _make(given.anew, given.only):
            write(rows)
    print(markdown(read()))


def _make(anew: bool, only: Sequence[str] = ()) -> Iterator[list[Estimated]]:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch-xla", "jax", "libtpu"))
    rows = {} if anew else {_key(row): row for row in read() if row.versions == versions}
    missing = [row for row in wanted() if row not in rows and _is_among(row, only)]
    for number, row in enumerate(missing, 1):
        print(
            f"{number} of {len(missing)}: {row.backbone} on {row.chip}, {row.size} px, batch {row.batch}",
            file=sys.stderr,
        )
        rows[row] = estimated(row, rehearse(row), versions)
        yield list(rows.values())


def _is_among(row: Wanted, names: Sequence[str]) -> bool:
    """Whether what is named of backbones is this one, and what is named of chips."""
    backbones, chips = set(names) & RESULTS.keys(), set(names) & set(CHIPS)
    return row.backbone in (backbones or RESULTS) and row.chip in (chips or CHIPS)


def _line(row: Estimated) -> str:
    if row.epoch_seconds is None:
        return f"| {row.backbone} | {row.chip} | needs {row.gigabytes:.1f} | | | | |"
    features = f", features once {row.features_seconds:.1f}" if row.features_seconds else ""
    epoch = f"{row.train_seconds:.1f} + {row.val_seconds:.1f}{features}"
    study = f"{RESULTS[row.backbone].seconds_per_epoch:g}"
    cells = (f"{row.gigabytes:.1f}", f"{row.compile_seconds:.0f}", f"{row.milliseconds:.1f}", epoch, study)
    return f"| {row.backbone} | {row.chip} | {' | '.join(cells)} |"


def _key(row: Estimated) -> Wanted:
    return Wanted(row.backbone, row.chip, row.size, row.batch)


def _cycles(graph: dict[str, Any]) -> float:
    return graph["cycles"]


if __name__ == "__main__":
    main()
