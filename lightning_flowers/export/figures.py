"""What was made, how large and fast it is, and how good."""

import time
from collections.abc import Sequence
from statistics import median

import numpy as np
import torch

from lightning_flowers.export.checking import ExportResult
from lightning_flowers.export.pictures import Sample
from lightning_flowers.markdown import NOTHING, markdown_table, number

_HEADER = ("file", "MB", "ms/picture", "speed", "differs by", "resized", "same top", "val macro F1", "val accuracy")
_OF_TIMM = " model.safetensors is of timm's folder, by timm's own transform: it looks at each picture once."
_ROUNDS, _WARM_UP = 30, 3


def tell(results: Sequence[ExportResult], sample: Sample, size: int) -> str:
    """A table with a row for each, and what its figures are of."""
    taken = _milliseconds(results, size)
    reference = "model.onnx" if "model.onnx" in taken else results[0].name
    threads = torch.get_num_threads()
    return "\n\n".join(
        [
            markdown_table(_HEADER, [_row(one, taken, taken[reference]) for one in results], _HEADER[1:]),
            f"Checked on {sample.what}. Differences are the largest of a probability, from the predictor's; "
            f"`resized` those of made-up pictures of other sizes.{_OF_TIMM * ('model.safetensors' in taken)}",
            f"Speeds: one picture a batch on this CPU, {threads} thread{'s' * (threads != 1)}, medians of runs in "
            f"turns; times as fast as {reference}.",
        ]
    )


def scores_of(result: ExportResult, sample: Sample) -> str:
    """The scores of what was asked about a sample, for a model card."""
    found = result.scores
    if found is None:
        return "Not known: its val pictures were not to be had when it was exported."
    return (
        f"On {sample.what}: macro F1 {found.macro_f1:.4f} over all classes, {found.macro_f1_present:.4f} over "
        f"those present, accuracy {found.accuracy:.4f}. The best epoch was chosen on val."
    )


def _milliseconds(results: Sequence[ExportResult], size: int) -> dict[str, float]:
    """What each takes for one picture (size, size): medians of 30, in turns: a busy host slows all alike."""
    picture = np.zeros((1, size, size, 3), np.uint8)
    taken: dict[str, list[float]] = {one.name: [] for one in results}
    for _ in range(_WARM_UP + _ROUNDS):
        for one in results:
            start = time.perf_counter()
            one.answers(picture)
            taken[one.name].append(time.perf_counter() - start)
    return {name: 1000 * median(times[_WARM_UP:]) for name, times in taken.items()}


def _row(one: ExportResult, milliseconds: dict[str, float], reference: float) -> list[str]:
    return [
        one.name,
        number(one.size and one.size / 1e6, 1),
        number(milliseconds[one.name], 1),
        number(reference / milliseconds[one.name], 2),
        NOTHING if one.difference is None else f"{one.difference:.1e}",
        NOTHING if one.odd_difference is None else f"{one.odd_difference:.1e}",
        number(one.same_top),
        number(one.scores and one.scores.macro_f1, 4),
        number(one.scores and one.scores.accuracy, 4),
    ]
