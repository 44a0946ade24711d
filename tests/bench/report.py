"""From samples to medians, ratios and what is printed."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from .protocol import Sample


class Ratio(NamedTuple):
    """Our candidate over theirs, and what it is wanted to be at least."""

    ours: str
    theirs: str
    wanted: float


RATIOS = {
    "pure_decode": Ratio("ours", "pure_decode", 0.95),
    "tfdata_tuned": Ratio("ours", "tfdata_tuned", 1.15),
    "tfdata_kernel": Ratio("ours", "tfdata_kernel", 2.2),
    "obvious": Ratio("ours", "obvious", 4.0),
    "dali": Ratio("ours", "dali", 1.2),
    "cache_memcpy": Ratio("cached", "cache_memcpy", 0.9),
    "cache_memcpy_flips": Ratio("cached_flips", "cache_memcpy", 0.6),
    "fresh_memcpy": Ratio("cached", "fresh_memcpy", 0.9),
    "fresh_memcpy_flips": Ratio("cached_flips", "fresh_memcpy", 0.6),
}


class Summary(NamedTuple):
    """Images per second over the rounds, and images per CPU-second (median)."""

    median: float
    min: float
    max: float
    per_cpu_second: float


def summarize(samples: Sequence[Sample]) -> Summary:
    """Medians of the samples of one candidate.

    Raises:
        ValueError: there is none.
    """
    if not samples:
        raise ValueError("no sample to take a median of")
    speeds = [sample.images / sample.seconds for sample in samples]
    per_cpu_second = median(sample.images / max(sample.cpu_seconds, 1e-3) for sample in samples)
    return Summary(median(speeds), min(speeds), max(speeds), per_cpu_second)


def ratios(summaries: Mapping[str, Summary], figure: str = "median") -> dict[str, float | None]:
    """Each ratio of a figure of the summaries; None where one of the two was not measured."""
    figures: dict[str, float] = {name: getattr(summary, figure) for name, summary in summaries.items()}
    return {
        name: figures[ratio.ours] / figures[ratio.theirs] if {ratio.ours, ratio.theirs} <= figures.keys() else None
        for name, ratio in RATIOS.items()
    }


def table(summaries: Mapping[str, Summary], left_out: Mapping[str, str]) -> str:
    """The candidates, the fastest first, then the ratios beside what is wanted of them."""
    lines = [f"{'candidate':20}{'images/s':>10}{'min':>10}{'max':>10}{'per CPU-s':>11}"]
    for name, row in sorted(summaries.items(), key=lambda item: -item[1].median):
        lines.append(f"{name:20}{row.median:10.1f}{row.min:10.1f}{row.max:10.1f}{row.per_cpu_second:11.1f}")
    lines += [f"{name:20}left out: {why}" for name, why in left_out.items()]
    lines += ["", f"{'ours over theirs':20}{'images/s':>10}{'wanted':>10}{'':10}{'per CPU-s':>11}"]
    per_cpu_second = ratios(summaries, "per_cpu_second")
    lines += [_ratio_line(name, value, per_cpu_second[name]) for name, value in ratios(summaries).items()]
    return "\n".join(lines)


def as_json(
    rounds: int, by_size: Mapping[int, Mapping[str, Summary]], left_out: Mapping[str, str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What goes into the last line; `ratios` are those at 512 px, `ratios_SIZE` those at any other."""
    found = {f"ratios_{size}": rounded(ratios(summaries)) for size, summaries in by_size.items()}
    return {
        "ratios": found.pop("ratios_512", None),
        **found,
        "ratios_per_cpu_second": {
            size: rounded(ratios(summaries, "per_cpu_second")) for size, summaries in by_size.items()
        },
        "images_per_second": {
            size: {name: rounded(row._asdict()) for name, row in summaries.items()}
            for size, summaries in by_size.items()
        },
        "rounds": rounds,
        "left_out": dict(left_out),
        **facts,
    }


def rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """To thousandths: the rest is noise."""
    return {name: value if value is None else round(value, 3) for name, value in values.items()}


def _ratio_line(name: str, value: float | None, per_cpu_second: float | None) -> str:
    wanted = RATIOS[name].wanted
    if value is None or per_cpu_second is None:
        return f"{name:20}{'-':>10}{wanted:10.2f}"
    return f"{name:20}{value:10.3f}{wanted:10.2f}{'met' if value >= wanted else 'missed':>10}{per_cpu_second:11.3f}"
