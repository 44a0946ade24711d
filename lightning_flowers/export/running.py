"""Exported files at work, as other programs would load them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_flowers.export.checking import Answers
from lightning_flowers.export.graph import INPUT


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
