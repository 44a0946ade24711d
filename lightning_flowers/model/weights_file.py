"""Weights given as a path: those of a run or its checkpoint, of timm, or of a folder as on the Hugging Face hub."""

import argparse
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from timm.models import clean_state_dict, load_state_dict
from torch import Tensor

from lightning_flowers.errors import UserError

_OF_TIMM = ("state_dict_ema", "model_ema", "state_dict", "model")  # of its checkpoints, what timm itself would take
_CHECKPOINTS = ("best.ckpt", "last.ckpt")  # of a run; the last of one that had no validation to choose by
_BEGINS = (b"PK", b"\x80")  # of what torch.save writes: a zip, earlier a pickle
_HUBS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds, and what is known of them.

    Attributes:
        path: of the file.
        weights: of the whole of timm's model; of a run's checkpoint its backbone alone.
        backbone: the name of theirs; None of a file that does not tell.
        normalization: `mean` and `std` of each channel, values in 0..1, that they were trained with; empty if not told.
        head: of a run's checkpoint its dense layers, by their names in FlowerClassifier's `head`.
        classes: what the head's logits are called, in their order.
        from_run: whether it is a run's checkpoint.
    """

    path: Path
    weights: dict[str, Tensor]
    backbone: str | None = None
    normalization: Mapping[str, Sequence[float]] = field(default_factory=dict)
    head: dict[str, Tensor] = field(default_factory=dict)
    classes: Sequence[str] = ()
    from_run: bool = False


def find_weights_file(name: str, weights: str) -> Path:
    """The file that --model.weights means.

    Args:
        name: of the backbone, timm's.
        weights: a file or a folder, also as timm has it, `local-dir:FOLDER`.

    Raises:
        UserError: there is none.
    """
    path = Path(weights.removeprefix("local-dir:")).expanduser()
    if weights and path.is_dir():
        path = _find_in(path, name)
    if not weights or not path.is_file():
        raise UserError(f"--model.weights={weights}: no such file or folder (or else: timm, none)")
    if not path.stat().st_size:
        raise UserError(f"--model.weights={path}: is empty: fetch it again")
    return path


def read_weights_file(file: Path) -> WeightsFile:
    """Read a file of weights, as tensors and settings alone.

    Raises:
        UserError: it holds no weights, or what lies beside it is of another library.
        Exception: whatever torch, timm or safetensors raise of a file that they cannot read.
    """
    loaded = _load(file)
    settings = loaded.get("hyper_parameters")
    if isinstance(settings, Mapping) and "backbone" in settings and isinstance(loaded.get("state_dict"), Mapping):
        return _of_run(file, loaded, str(settings["backbone"]))
    found = next((loaded[key] for key in _OF_TIMM if loaded.get(key) is not None), loaded)
    weights = clean_state_dict(found) if isinstance(found, dict) else {}
    if not weights or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise UserError(f"--model.weights={file}: holds no weights")  # of an empty one timm would take the hub's
    if file.name in _HUBS and (file.parent / "config.json").is_file():
        return _of_hub(file, weights)
    return WeightsFile(file, weights, str(loaded["arch"]) if isinstance(loaded.get("arch"), str) else None)


def _find_in(folder: Path, name: str) -> Path:
    if (folder / "config.yaml").is_file():
        return _find_in_run(folder)
    stem = name.split(".", maxsplit=1)[0]
    names = [f"{n}{suffix}" for n in (name, stem) for suffix in (".safetensors", ".pth", ".bin")]
    nested = [f"{n}{file}" for n in (f"{name}/", f"{stem}/", "") for file in _HUBS]
    found = next((folder / n for n in [*names, *nested] if (folder / n).is_file()), None)
    if found is None:
        raise UserError(f"--model.weights={folder}: has no weights of {name}: put {name}.safetensors or .pth there")
    return found


def _find_in_run(folder: Path) -> Path:
    places = [folder / "checkpoints" / name for name in _CHECKPOINTS]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(f"--model.weights={folder}: a run's folder without checkpoints: give one that has some (of a "
                        "blend, one of its runs)")  # fmt: skip
    return found


def _load(file: Path) -> dict[str, Any]:
    if file.suffix == ".safetensors":
        return load_state_dict(str(file))
    if file.suffix == ".npz":
        raise UserError(f"--model.weights={file}: .npz is not read: timm has the same on the hub as .safetensors")
    with file.open("rb") as opened:
        if not opened.read(2).startswith(_BEGINS):
            raise UserError(f"--model.weights={file}: holds no weights: give what torch has saved, or a .safetensors")
    with torch.serialization.safe_globals([argparse.Namespace]):  # the settings in timm's own checkpoints
        loaded: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    return loaded if isinstance(loaded, dict) else {}


def _of_run(file: Path, loaded: dict[str, Any], backbone: str) -> WeightsFile:
    parts: dict[str, dict[str, Tensor]] = {"backbone": {}, "head": {}}
    for name, tensor in loaded["state_dict"].items():
        part, _, rest = name.partition(".")
        if part in parts:
            parts[part][rest] = tensor
    head = {
        name: tensor.clone() for name, tensor in parts["head"].items()
    }  # the file may be replaced before it is used
    known = loaded.get("normalization", {})
    return WeightsFile(file, parts["backbone"], backbone, known, head, loaded.get("class_names") or (), True)


def _of_hub(file: Path, weights: dict[str, Tensor]) -> WeightsFile:
    place = file.parent / "config.json"
    try:
        config = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{place}: damaged ({error}): fetch it again") from error
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise UserError(f"{place}: names no architecture of timm: give weights that timm has made")
    known = {**config, **config.get("pretrained_cfg", {})}
    normalization = {part: known[part] for part in ("mean", "std") if known.get(part)}
    return WeightsFile(file, weights, config["architecture"], normalization)
