"""A smaller ONNX file, its weights and activations of 8 bits. Making the square and the answer stay as they are."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.export.graph import INPUT, SCOPES
from lightning_flowers.export.pictures import Sample

_CALIBRATED_ON = 100  # pictures
# What stands in a backbone; the logarithms of the answer may be infinite, of which no scale can be had.
_MADE_INT8 = (
    "Conv", "MatMul", "Gemm", "Add", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"
)  # fmt: skip


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


def _spread(sample: Sample) -> Iterator[NDArray[np.uint8]]:
    chosen = np.linspace(0, len(sample) - 1, min(_CALIBRATED_ON, len(sample))).round().astype(int)
    for position in chosen.tolist():
        yield from sample.take(sample.ids[position : position + 1])
