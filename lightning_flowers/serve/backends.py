"""What computes a predictor's answers: torch; or on a CPU OpenVINO, which is faster.

OpenVINO is used if it gives the predictor's own probabilities on a few pictures; heat maps are torch's in any case.
"""

import sys
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.export.checking import Answers
from lightning_flowers.export.end_to_end import EndToEnd, check_end_to_end
from lightning_flowers.export.pictures import made_up
from lightning_flowers.secrets import redact
from lightning_flowers.serve.settings import Backend
from lightning_flowers.use.predictor import Predictor

TOLERANCE = 1e-5  # of a probability
_CHECKED_ON = 4  # pictures


def choose(predictor: Predictor, wanted: Backend) -> tuple[str, Answers]:
    """The name of a backend, and what it answers.

    Args:
        wanted: auto takes openvino where it is installed and gives the same answers.

    Raises:
        UserError: the wanted one cannot be had, or gives other answers.
    """
    on_cpu = predictor.device.type == "cpu"
    if wanted == "openvino" and not on_cpu:
        raise UserError(f"--backend={wanted}: runs on the CPU: add --accelerator=cpu")
    if wanted == "openvino" and not _is_installed():
        raise UserError(f"--backend={wanted}: needs openvino: pip install 'lightning_flowers[serve]'")
    if wanted != "torch" and on_cpu and _is_installed():
        try:
            return "openvino", _checked(predictor)
        except UserError as error:
            if wanted == "openvino":
                raise
            sys.stderr.write(redact(f"backend    not openvino: {error}\n"))
    return "torch", predictor.probabilities_of


def _is_installed() -> bool:
    return find_spec("openvino") is not None


def _checked(predictor: Predictor) -> Answers:
    check_end_to_end(predictor)
    pictures = np.stack([made_up(predictor.size_px, predictor.size_px, seed) for seed in range(_CHECKED_ON)])
    try:
        answers = openvino_answers(predictor)
        found = np.concatenate([answers(pictures[:1]), answers(pictures[1:])])
    except Exception as error:  # it fails in many ways where a model is none of its
        raise UserError(f"{predictor.name} does not run there: {' '.join(str(error).split())[:200]}") from error
    wanted = predictor.probabilities_of(pictures)
    difference = float(np.abs(found - wanted).max())
    # Written so that what is no number fails too.
    if not difference <= TOLERANCE or (found.argmax(1) != wanted.argmax(1)).any():
        raise UserError(f"does not answer as torch does: a probability differs by {difference:.1e}")
    return answers


def openvino_answers(predictor: Predictor) -> Answers:
    """What OpenVINO answers, with as many threads as torch has; made of torch's trace in a second or few."""
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    import openvino  # tells its maker of each import, unless that package is missing

    shape = (predictor.size_px, predictor.size_px, 3)
    example = torch.zeros(1, *shape, dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of checks of sizes, which do not change
        traced = torch.jit.trace(EndToEnd(predictor, any_size=False), example, check_trace=False)
    model = openvino.convert_model(traced, example_input=example, input=openvino.PartialShape([-1, *shape]))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # it would take bfloat16 where the CPU has it
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled: Any = openvino.Core().compile_model(model, "CPU", settings)

    def answer(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return compiled(pictures)[0]

    return answer
