"""Albumentations pipelines, read from YAML and tried on a picture before the run."""

import copy
import os
import random
import threading
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from lightning_flowers import strict_yaml
from lightning_flowers.errors import UserError, did_you_mean

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it must not ask the network for a newer release
import albumentations as A

Transform = A.BasicTransform | A.BaseCompose
TRANSFORMS: dict[str, type[Any]] = {
    name: value for name, value in vars(A).items() if isinstance(value, type) and issubclass(value, Transform)
}

TRIES = 4  # with every transform applied: what remains by chance is found in the run


def read_pipeline(spec: list[Any] | dict[str, Any], size: int, name: str = "") -> A.Compose:
    """Build a pipeline and try it on a picture.

    Args:
        spec: what a YAML file holds: a list such as
            `[{"HorizontalFlip": {"p": 0.5}}, {"OneOf": {"p": 0.5, "transforms": [...]}}]`, or what albumentations'
            `save` and `to_dict` write.
        size: side of the pictures; the pipeline must keep it.
        name: of the file, for errors.

    Raises:
        UserError: no such transform, an argument that a transform does not take, or a pipeline that does not give
            uint8 (size, size, 3).
    """
    try:
        pipeline = A.Compose(_build_all(spec))
        _try(pipeline, size)
    except ValueError as error:
        raise UserError(f"--data.augment{f'={name}' if name else ''}: {error}") from error
    return pipeline


class Pipeline:
    """Runs an albumentations pipeline in any thread, from 64 random bits a picture, as a preset does."""

    def __init__(self, pipeline: A.Compose) -> None:
        self._pipeline = pipeline
        self._local = threading.local()

    def __call__(self, picture: NDArray[np.uint8], out: NDArray[np.uint8], bits: int) -> None:
        if picture is not out:
            np.copyto(out, picture)  # transforms may work in place
        result = self._seeded(bits)(image=out)["image"]
        fault = find_fault(result, len(out))
        if fault:
            raise UserError(f"--data.augment: the pipeline {fault}")
        if result is not out:
            np.copyto(out, result)

    def _seeded(self, bits: int) -> A.Compose:
        # A pipeline holds its random state: each thread has one of its own.
        local = self._local
        if not hasattr(local, "pipeline"):
            local.pipeline = copy.deepcopy(self._pipeline)
            local.numpy, local.python = np.random.PCG64(0), random.Random(0)
            local.state = local.numpy.state
            local.pipeline.set_random_state(np.random.Generator(local.numpy), local.python)
        # `set_random_seed` would give each transform the same random numbers, so that two flips always came together,
        # and takes 160 us for the study's transforms; these two generators are shared by all, and set in 7 us.
        local.state["state"]["state"] = bits << 64 | bits
        local.numpy.state = local.state
        local.python.seed(bits)
        return local.pipeline


def find_fault(result: NDArray[Any], size: int) -> str | None:
    """Say what is wrong with a pipeline's picture, and the mend; None if it is uint8 (size, size, 3)."""
    if result.dtype != np.uint8:
        return f"gives {result.dtype} pictures, not uint8: leave it out, the model normalises on the device"
    if result.shape != (size, size, 3):
        shape = "x".join(map(str, result.shape))
        return f"gives {shape} pictures, not {size}x{size}x3: end with `- Resize: {{height: {size}, width: {size}}}`"
    return None


def load_pipeline(path: str) -> Any:
    """What a YAML file holds.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return strict_yaml.load(Path(path).expanduser().read_text("utf-8"))
    except OSError as error:
        raise UserError(f"--data.augment={path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--data.augment={path}: is not YAML: {' '.join(str(error).split())}") from error


def _build_all(nodes: object) -> list[Transform]:
    if isinstance(nodes, Mapping) and "transform" in nodes:  # the outermost level of albumentations' own form
        nodes = nodes["transform"]
    return [_build(node) for node in (nodes if isinstance(nodes, list) else [nodes])]


def _build(node: object) -> Transform:
    name, arguments = _parse(node)
    kind = _find(name)
    known = signature(kind).parameters
    unknown = [str(argument) for argument in arguments if argument not in known]
    if unknown:
        raise ValueError(f"{name} has no argument {', '.join(unknown)}: it has {', '.join(known)}")
    if issubclass(kind, A.BasicTransform):
        arguments["strict"] = True  # else albumentations falls back to defaults where its own check fails
    elif "transforms" in arguments:
        arguments["transforms"] = _build_all(arguments["transforms"])
    try:
        return kind(**arguments)
    except Exception as error:  # whatever a transform raises, its arguments are the cause
        raise ValueError(f"{name}: {_explain(error)}") from error


def _find(name: str) -> type[Any]:
    if name.startswith("ToTensor"):
        raise ValueError(f"{name} gives no picture: leave it out, the loader makes the tensors")
    if name not in TRANSFORMS:
        mend = did_you_mean(name, TRANSFORMS) or ": see its documentation for those it has"
        raise ValueError(f"albumentations {A.__version__} has no transform {name}{mend}")
    return TRANSFORMS[name]


def _parse(node: object) -> tuple[str, dict[str, Any]]:
    if isinstance(node, str):
        return node, {}
    if isinstance(node, Mapping) and "__class_fullname__" in node:
        arguments = dict(node)
        return arguments.pop("__class_fullname__").rpartition(".")[2], arguments
    if isinstance(node, Mapping) and len(node) == 1:
        [(name, arguments)] = node.items()
        if isinstance(name, str) and isinstance(arguments, Mapping | None):
            return name, dict(arguments or {})
    raise ValueError(f"{node!r} is no transform: write a list of such as `- HorizontalFlip: {{p: 0.5}}`")


def _explain(error: Exception) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split()) or type(error).__name__


def _try(pipeline: A.Compose, size: int) -> None:
    eager = copy.deepcopy(pipeline)
    _always_apply(eager)
    eager.set_random_state(np.random.default_rng(0), random.Random(0))
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    for _ in range(TRIES):
        try:
            result = eager(image=picture.copy())["image"]
        except Exception as error:
            raise ValueError(f"the pipeline fails: {_explain(error)}") from error
        if fault := find_fault(result, size):
            raise ValueError(f"the pipeline {fault}")


def _always_apply(transform: Transform) -> None:
    transform.p = float(transform.p > 0)
    for inner in transform.transforms if isinstance(transform, A.BaseCompose) else ():
        _always_apply(inner)
