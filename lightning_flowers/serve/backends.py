"""What computes a predictor's answers: torch; or on a CPU a runtime that takes the exported graph, and is faster.

The graph is made once: it is kept in the user's cache folder by all that it depends on, weights included. A runtime is
used if it gives the predictor's own probabilities on a few pictures; heat maps are torch's in any case.
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.export import graph
from lightning_flowers.export.checking import Answers
from lightning_flowers.export.end_to_end import check_end_to_end
from lightning_flowers.export.pictures import made_up
from lightning_flowers.export.running import onnx_answers
from lightning_flowers.secrets import redact
from lightning_flowers.serve import kept
from lightning_flowers.serve.settings import Backend
from lightning_flowers.use.predictor import Predictor

TOLERANCE = 1e-5  # of a probability
_TO_EXPORT = ("onnx", "onnxscript")
_CHECKED_ON = 4  # pictures


def choose(predictor: Predictor, wanted: Backend) -> tuple[str, Answers]:
    """The name of a backend, and what it answers.

    Args:
        wanted: auto takes the first of openvino, onnxruntime and torch that is installed and gives the same answers.

    Raises:
        UserError: the wanted one cannot be had, or gives other answers.
    """
    on_cpu = predictor.device.type == "cpu"
    if wanted not in ("auto", "torch") and not on_cpu:
        raise UserError(f"--backend={wanted}: runs on the CPU: add --accelerator=cpu")
    for name, start in _RUNTIMES.items():
        if wanted == name or (wanted == "auto" and on_cpu and not _missing(name)):
            try:
                return name, _checked(name, start, predictor)
            except UserError as error:
                if wanted == name:
                    raise
                sys.stderr.write(redact(f"backend    not {name}: {error}\n"))
    return "torch", predictor.probabilities_of


def _checked(name: str, start: Callable[[Path], Answers], predictor: Predictor) -> Answers:
    if missing := _missing(name):
        raise UserError(f"--backend={name}: needs {', '.join(missing)}: pip install 'lightning_flowers[serve]' {name}")
    check_end_to_end(predictor)
    pictures = np.stack([made_up(predictor.size_px, predictor.size_px, seed) for seed in range(_CHECKED_ON)])
    try:
        answers = start(_graph(predictor))
        found = np.concatenate([answers(pictures[:1]), answers(pictures[1:])])
    except UserError:
        raise
    except Exception as error:  # exporters and runtimes fail in many ways where a model is none of theirs
        raise UserError(f"{predictor.name} does not run there: {' '.join(str(error).split())[:200]}") from error
    wanted = predictor.probabilities_of(pictures)
    difference = float(np.abs(found - wanted).max())
    # Written so that what is no number fails too.
    if not difference <= TOLERANCE or (found.argmax(1) != wanted.argmax(1)).any():
        raise UserError(f"does not answer as torch does: a probability differs by {difference:.1e}")
    return answers


def _missing(name: str) -> list[str]:
    return [package for package in (*_TO_EXPORT, name) if find_spec(package) is None]


def _graph(predictor: Predictor) -> Path:
    path = kept.path_of("graphs", kept.fingerprint(predictor), ".onnx")
    if not path.is_file():
        sys.stderr.write(f"exporting  {predictor.name}, once: takes some seconds\n")
        with kept.new_file(path) as part:
            graph.write_onnx(graph.trace(predictor, any_size=False), part, graph.facts(predictor))
    return path


def _openvino(path: Path) -> Answers:
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    import openvino  # tells its maker of each import, unless that package is missing

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # it would take bfloat16 where the CPU has it
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled: Any = openvino.Core().compile_model(str(path), "CPU", settings)

    def answer(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return compiled(pictures)[0]

    return answer


_RUNTIMES: dict[str, Callable[[Path], Answers]] = {"openvino": _openvino, "onnxruntime": onnx_answers}
