"""Makes the files in a folder that appears when all of them are whole and checked."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_flowers.errors import UserError
from lightning_flowers.export import figures, graph
from lightning_flowers.export.checking import ExportResult, Reference
from lightning_flowers.export.end_to_end import check_end_to_end
from lightning_flowers.export.pictures import find_pictures
from lightning_flowers.export.timm_folder import to_timm, write_timm
from lightning_flowers.files import atomic_folder, write_text
from lightning_flowers.use.predictor import Predictor

FIGURES = "FIGURES.md"


def export(
    predictor: Predictor,
    out: Path,
    kinds: Sequence[str],
    int8: bool = False,
    data_root: str | None = None,
    most: int | None = None,
) -> str:
    """Write what is asked for, and FIGURES.md; gives the text of the latter.

    Args:
        predictor: on the CPU.
        out: a folder that is empty or not there.
        kinds: of onnx, torch and timm.
        int8: whether a smaller variant of the ONNX file is wanted too.
        data_root: where the run's data lie now; None where they lay.
        most: pictures of val to check on; None for all.

    Raises:
        UserError: it cannot be exported so, or a file does not answer as the predictor does; nothing is left behind.
        OSError: the folder cannot be written.
    """
    if {"onnx", "torch"} & {*kinds}:
        check_end_to_end(predictor)
    if "timm" in kinds:
        to_timm(predictor)
    with atomic_folder(out) as folder:  # first: what cannot be written is told before all of val is predicted
        reference = Reference(predictor, find_pictures(predictor, data_root, most))
        if int8 and reference.sample.labels is None:
            raise UserError(f"--int8: needs val pictures to find the ranges of values: {reference.sample.what}")
        results = [reference.result()]
        if {"onnx", "torch"} & {*kinds}:
            results += _write_graphs(predictor, kinds, int8, reference, folder)
        if "timm" in kinds:
            results.append(write_timm(predictor, folder / "timm", reference))
        text = figures.tell(results, reference.sample, predictor.size_px)
        write_text(folder / FIGURES, f"# {predictor.name}, exported\n\n{text}\n")
    return text


def _write_graphs(
    predictor: Predictor, kinds: Sequence[str], int8: bool, reference: Reference, folder: Path
) -> Iterator[ExportResult]:
    program, known = graph.trace(predictor), graph.facts(predictor)
    if "torch" in kinds:
        path = folder / "model.pt2"
        graph.write_torch(program, path, known)
        yield reference.check(graph.torch_answers(path), path)
    if "onnx" in kinds:
        source = folder / "model.onnx"
        graph.write_onnx(program, source, known)
        yield reference.check(graph.onnx_answers(source), source)
        if int8:
            path = folder / "model.int8.onnx"
            graph.write_int8(source, path, reference.sample)
            yield reference.check(graph.onnx_answers(path), path, same=False)
