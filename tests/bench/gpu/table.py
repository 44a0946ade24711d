"""From samples to tables in Markdown, and to the line of JSON."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lightning_flowers.compare.study import HARDWARE, RESULTS, TRAIN_RECORDS, VAL_RECORDS
from lightning_flowers.markdown import NOTHING, join, markdown_table, number

from .jobs import CANDIDATES, FROZEN_EPOCHS
from .results import Results

OVER_TIMM, WAITING, OVER_STUDY = 1.15, 0.02, 5.0  # the goals: at least, at most, at least
NOT_YET = "not measured yet: no GPU was at hand"
SAME = ("device", "versions")  # of the card: what rows must have in common


class Figures(NamedTuple):
    """What a backbone's samples amount to; None is what was not measured.

    Attributes:
        speeds: images per second of training by candidate.
        over_timm: ours over timm's, eager and compiled.
        memory: bytes that ours and timm's take at most, eager.
        of_matrix: share of the measured FLOP/s that the faster of ours has.
        of_bandwidth: share of the measured bytes per second that eager operations would read and write without caches.
        waiting: share of the time in which the faster of ours waits for the loader, at most.
        epoch: seconds of the study's pictures, trained on and validated.
        over_study: how many times as fast as the study that is.
    """

    batch: int
    speeds: dict[str, float | None]
    over_timm: tuple[float | None, float | None]
    memory: tuple[float | None, float | None]
    of_matrix: float | None
    of_bandwidth: float | None
    waiting: float | None
    epoch: float | None
    over_study: float | None


def figures(results: Results, backbone: str) -> Figures:
    def figure(name: str, what: str) -> float | None:
        return results.figure(backbone, name, what)

    speeds = {name: figure(name, "images_per_second") for name in CANDIDATES}
    best = max(("ours", "ours-compiled"), key=lambda name: speeds[name] or 0)
    flops, moved = figure("ours", "flops"), figure("ours", "bytes")
    train, val = _over(TRAIN_RECORDS, speeds[best]), _over(VAL_RECORDS, figure(best, "val_images_per_second"))
    epoch = train + val if train and val else None
    study = RESULTS[backbone].seconds_per_epoch if backbone in RESULTS else None
    samples = results.of(backbone)
    return Figures(
        batch=samples[-1]["batch"] if samples else 0,
        speeds=speeds,
        over_timm=(
            _over(speeds["ours"], speeds["timm"]),
            _over(speeds["ours-compiled"], speeds["timm-compiled"]),
        ),
        memory=(figure("ours", "memory"), figure("timm", "memory")),
        of_matrix=_over(_times(speeds[best], flops), results.figure("card", "card", "flops")),
        of_bandwidth=_over(_times(speeds["ours"], moved), results.figure("card", "card", "bandwidth")),
        waiting=figure(best, "waiting"),
        epoch=epoch,
        over_study=_over(study, epoch),
    )


def markdown(results: Results, backbones: Sequence[str]) -> str:
    """The tables, and what else there is to say."""
    if not results.of("card"):
        return NOT_YET
    found = {name: row for name in backbones if (row := figures(results, name)).batch}
    card = results.of("card")[-1]
    flops, bandwidth = (results.figure("card", "card", name) or 0 for name in ("flops", "bandwidth"))
    lines = [
        f"{card['device']}, {join(f'{name} {version}' for name, version in card['versions'].items())}; measured: "
        f"{flops / 1e12:.3g} TFLOP/s (bf16 product), {bandwidth / 1e9:,.0f} GB/s (copy). {card['size']} px, bf16:",
        markdown_table(SPEEDS, [_speeds(name, row) for name, row in found.items()], SPEEDS[1:]),
        markdown_table(SHARES, [_shares(name, row) for name, row in found.items()], SHARES[1:]),
        *(f"{part}, {name}: left out: {why}" for part, name, why in _left_out(results, backbones)),
        *_whole_runs(results),
    ]
    return "\n\n".join(lines)


def as_json(results: Results, backbones: Sequence[str]) -> dict[str, Any]:
    """All figures, and the goals that were met and missed."""
    found = {name: row for name in backbones if (row := figures(results, name)).batch}
    return {
        "card": results.of("card")[-1:],
        "backbones": {name: row._asdict() for name, row in found.items()},
        "goals": {name: _goals(row) for name, row in found.items()},
        **{part: results.of(part)[-1:] for part in ("demo", "frozen")},
    }


SPEEDS = ("images/s of training", "batch", *CANDIDATES, "ours over timm", "compiled")
SHARES = (
    *("", "GB", "GB, timm", "of the product", "of the copy", "waits at most"),
    *(f"s for {TRAIN_RECORDS:,} + {VAL_RECORDS:,}", f"the study, {HARDWARE}", "times as fast"),
)


def _speeds(name: str, row: Figures) -> list[str]:
    return [
        name,
        str(row.batch),
        *(number(speed, 1) for speed in row.speeds.values()),
        *(number(ratio, 2) for ratio in row.over_timm),
    ]


def _shares(name: str, row: Figures) -> list[str]:
    study = RESULTS[name].seconds_per_epoch if name in RESULTS else None
    return [
        name,
        *(number(_times(taken, 1e-9), 1) for taken in row.memory),
        *(NOTHING if share is None else f"{share:.1%}" for share in (row.of_matrix, row.of_bandwidth, row.waiting)),
        number(row.epoch, 1),
        NOTHING if study is None else f"{study:g}",
        number(row.over_study, 1),
    ]


def _left_out(results: Results, backbones: Sequence[str]) -> list[tuple[str, str, str]]:
    tried = [(part, name) for part in backbones for name in CANDIDATES]
    tried += [(part, part) for part in ("demo", "frozen")]
    return [(*key, why) for key in tried if (why := results.failed(*key))]


def _whole_runs(results: Results) -> list[str]:
    said = []
    for row in results.of("demo")[-1:]:
        start = "pretrained" if row["weights"] == "timm" else "random"
        said.append(
            f"Demo petals, {row['epochs']} epochs from {start} weights, from the command to the report: "
            f"{row['seconds']:.1f} s, macro F1 {number(row['macro_f1'], 4)}."
        )
    for row in results.of("frozen")[-1:]:
        all_pictures = (TRAIN_RECORDS + VAL_RECORDS) / row["pictures"]
        seconds = all_pictures * (row["first_seconds"] + (FROZEN_EPOCHS - 1) * row["later_seconds"])
        text = (
            f"{row['backbone']}, frozen: {row['epochs']} epochs in {row['passes']:.2f} forward passes of each picture"
        )
        if row["backbone"] in RESULTS:
            study = FROZEN_EPOCHS * RESULTS[row["backbone"]].seconds_per_epoch
            text += f"; for the study's pictures {seconds:.1f} s, beside its {study:,.0f} s on a {HARDWARE}"
        said.append(f"{text}.")
    return said


def _goals(row: Figures) -> dict[str, bool]:
    """Whether each was met; of what was not measured nothing is said."""
    found = {
        "over_timm": None if row.over_timm[0] is None else row.over_timm[0] >= OVER_TIMM,
        "compiled_over_timm": None if row.over_timm[1] is None else row.over_timm[1] >= OVER_TIMM,
        "waiting": None if row.waiting is None else row.waiting < WAITING,
        "over_study": None if row.over_study is None else row.over_study >= OVER_STUDY,
    }
    return {name: met for name, met in found.items() if met is not None}


def _over(value: float | None, other: float | None) -> float | None:
    return value / other if value and other else None


def _times(value: float | None, other: float | None) -> float | None:
    return value * other if value and other else None
