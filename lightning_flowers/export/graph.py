"""A predictor's graph, the files it is written to, torch.export's and ONNX, and these at work, as elsewhere.

`torch.export` traces with the pictures' number, height and width left open; the square inside is of one size, so that
what a `tf_` model pads at its borders (SAME, which depends on the size) is fixed there and right.
"""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import Dim, ExportedProgram

from lightning_flowers import __version__
from lightning_flowers.errors import UserError
from lightning_flowers.export.checking import Answers
from lightning_flowers.export.end_to_end import EndToEnd
from lightning_flowers.export.pictures import Sample
from lightning_flowers.use.predictor import Predictor

INPUT, OUTPUT = "pictures", "probabilities"
SCOPES = ("square", "answer")  # of the graph; its nodes' names begin with them
_OPSET = 18
_AXES = ("batch", "height", "width")
_MAX_BYTES = 2**31  # of an ONNX file
_CALIBRATED_ON = 100  # pictures
# What is made of 8 bits stands in a backbone; the answer's logarithms may be infinite, of which no scale can be had.
_MADE_INT8 = (
    "Conv", "MatMul", "Gemm", "Add", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"
)  # fmt: skip


def trace(predictor: Predictor) -> ExportedProgram:
    """The graph of a predictor: uint8 (n, height, width, 3), RGB, to calibrated probabilities float32 (n, classes)."""
    axes = ({axis: Dim(name) for axis, name in enumerate(_AXES)},)
    example = torch.zeros(2, 40, 48, 3, dtype=torch.uint8)
    with torch.no_grad():
        program = torch.export.export(EndToEnd(predictor), (example,), dynamic_shapes=axes, strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def facts(predictor: Predictor) -> dict[str, str]:
    """What a file says of itself; lists are JSON."""
    return {
        "classes": json.dumps(predictor.classes),
        "size_px": str(predictor.size_px),
        "temperature": str(predictor.temperature),
        "calibrated": str(predictor.calibrated).lower(),
        "external_data": {True: "yes", False: "no", None: "unknown"}[predictor.external],
        "views": json.dumps([member.tta for member in predictor.members]),
        "models": json.dumps([member.run.timm_name for member in predictor.members]),
        "input": "uint8 (batch, height, width, 3), RGB, turned upright, of any height and width",
        "output": "float32 (batch, classes), calibrated probabilities",
        "made_by": f"lightning_flowers {__version__}",
    }


def write_torch(program: ExportedProgram, path: Path, known: dict[str, str]) -> None:
    """A .pt2 for `torch.export.load`; what is known of it lies within as facts.json."""
    whole = io.BytesIO()  # torch's own writer ends the process where a disk is full
    torch.export.save(program, whole, extra_files={"facts.json": json.dumps(known, indent=2)})
    path.write_bytes(whole.getbuffer())


def write_onnx(program: ExportedProgram, path: Path, known: dict[str, str]) -> None:
    """An ONNX file, its weights inside, what is known of it in its metadata.

    Raises:
        UserError: it would be too large.
    """
    room = sum(tensor.numel() * tensor.element_size() for tensor in program.state_dict.values())
    if room >= _MAX_BYTES:
        raise UserError(f"--to=onnx: {room >> 20} MB of weights, and a file holds 2048: export its runs by themselves")
    import onnx

    proto = _convert(program).model_proto
    _name_nodes(proto)
    onnx.helper.set_model_props(proto, known)
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def write_int8(source: Path, path: Path, sample: Sample) -> None:
    """Write a variant of an ONNX file: static, QDQ, a scale for each channel of the weights.

    Args:
        sample: of up to 100 of its pictures the ranges of activations are taken.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._pictures = _spread(sample)

        def get_next(self) -> Any:
            return next(({INPUT: picture[None]} for picture in self._pictures), None)

    nodes = onnx.load(source).graph.node
    logging.disable(logging.WARNING)  # it advises to prepare the file, which its writer has done
    try:
        quantize_static(
            str(source),
            str(path),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_MADE_INT8),
            per_channel=True,
            reduce_range=True,  # 7 bits of weights: processors without VNNI overflow else
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in nodes if node.name.partition("/")[0] in (*SCOPES, "outside")],
        )
    finally:
        logging.disable(logging.NOTSET)


def onnx_answers(path: Path) -> Answers:
    """What onnxruntime answers on the CPU, with as many threads as torch has."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

    def answer(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        (found,) = session.run(None, {INPUT: pictures})
        return np.asarray(found)

    return answer


def torch_answers(path: Path) -> Answers:
    """What a .pt2 answers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given buffer is not writable")  # of how torch itself loads it
        module: Any = torch.export.load(path).module()

    def answer(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            return module(torch.from_numpy(pictures)).numpy()

    return answer


def _convert(program: ExportedProgram) -> Any:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of torchvision's operators
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what it calls itself
        return torch.onnx.export(
            program,
            dynamo=True,
            opset_version=_OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(dict(enumerate(_AXES)),),  # their names alone: they are traced
            verbose=False,
        )


def _name_nodes(proto: Any) -> None:
    """By their scopes; what else torch notes of them, code and paths, is left out."""
    for node in proto.graph.node:
        noted = {entry.key: entry.value for entry in node.metadata_props}
        scopes = json.loads(noted.get("pkg.torch.onnx.name_scopes", "[]").replace("'", '"'))
        scope = scopes[1] if len(scopes) > 2 else "outside"
        node.name = f"{scope}/{node.name}"
        del node.metadata_props[:]
        node.doc_string = ""
    del proto.graph.metadata_props[:], proto.metadata_props[:]


def _spread(sample: Sample) -> Iterator[NDArray[np.uint8]]:
    chosen = np.linspace(0, len(sample) - 1, min(_CALIBRATED_ON, len(sample))).round().astype(int)
    for position in chosen.tolist():
        yield from sample.take(sample.ids[position : position + 1])
