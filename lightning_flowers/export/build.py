"""Makes the files in a folder that appears when all of them are whole and checked."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lightning_flowers.errors import UserError
from lightning_flowers.export import figures, graph, running, variants
from lightning_flowers.export.checking import Answers, Expected
from lightning_flowers.export.end_to_end import check_end_to_end
from lightning_flowers.export.figures import Made
from lightning_flowers.export.options import Options
from lightning_flowers.export.pictures import find_pictures
from lightning_flowers.export.timm_folder import to_timm, write_timm
from lightning_flowers.files import write_text
from lightning_flowers.use.predictor import Predictor

FIGURES = "FIGURES.md"
_PREDICTOR, _ONNX, _TORCH, _TIMM = "predictor", "model.onnx", "model.pt2", "timm"


def export(predictor: Predictor, options: Options, out: Path) -> str:
    """Write what is asked for, and FIGURES.md; gives the text of the latter.

    Args:
        predictor: on the CPU.
        out: a folder that is empty or not there.

    Raises:
        UserError: it cannot be exported so, or a file does not answer as the predictor does; nothing is left behind.
    """
    if {"onnx", "torch"} & {*options.kinds}:
        check_end_to_end(predictor)
    if "timm" in options.kinds:
        to_timm(predictor)
    expected = Expected(predictor, find_pictures(predictor, options.data_root, options.pictures))
    variants.check_variants(options.variants, expected.sample)
    with _new_folder(out) as folder:
        making = _Making(predictor, expected, folder)
        making.write(options)
        text = making.figures()
        write_text(folder / FIGURES, f"# {predictor.name}, exported\n\n{text}\n")
    return text


class _Making:
    def __init__(self, predictor: Predictor, expected: Expected, folder: Path) -> None:
        self._predictor, self._expected, self._folder = predictor, expected, folder
        self._contestants: dict[str, Answers] = {_PREDICTOR: predictor.probabilities_of}
        self._made = [Made(_PREDICTOR, None, None, expected.score(expected.probabilities))]

    def write(self, options: Options) -> None:
        if {"onnx", "torch"} & {*options.kinds}:
            self._write_graphs(options)
        if "timm" in options.kinds:
            lines = figures.score_lines(self._expected)
            write_timm(self._predictor, self._folder / _TIMM, self._expected.sample, lines, options.license)

    def figures(self) -> str:
        reference = _ONNX if _ONNX in self._contestants else _PREDICTOR
        taken = running.milliseconds(self._contestants, self._predictor.size_px)
        notes = figures.notes(self._expected, torch.get_num_threads(), reference)
        return "\n\n".join([figures.table(self._made, taken, reference), *notes])

    def _write_graphs(self, options: Options) -> None:
        program, known = graph.trace(self._predictor), graph.facts(self._predictor)
        if "torch" in options.kinds:
            graph.write_torch(program, self._folder / _TORCH, known)
            self._add(_TORCH, running.torch_answers(self._folder / _TORCH))
        if "onnx" not in options.kinds:
            return
        source = self._folder / _ONNX
        graph.write_onnx(program, source, known)
        self._add(_ONNX, running.onnx_answers(source))
        for variant in options.variants:
            name = f"model.{variant}.onnx"
            variants.write_variant(variant, source, self._folder / name, self._expected.sample)
            self._add(name, running.onnx_answers(self._folder / name), same=False)

    def _add(self, name: str, answers: Answers, same: bool = True) -> None:
        """Check a file; a smaller variant's answers are told, and need not be the `same`."""
        found = (self._expected.require if same else self._expected.compare)(answers, name)
        self._made.append(Made(name, (self._folder / name).stat().st_size, found, found.scores))
        self._contestants[name] = answers


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out`, which takes its place when the block ends well, and is gone else."""
    part = out.absolute().with_name(f".{out.absolute().name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"--out={out}: cannot be made: {error.strerror}: give another folder") from error
    try:
        yield part
        if out.is_dir():
            out.rmdir()  # it was empty
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
