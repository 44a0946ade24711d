"""Features that outlast their run: the next one of the same backbone on the same pictures need not compute them."""

import hashlib
from pathlib import Path
from typing import Any

import platformdirs
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lightning_flowers import __version__, hardware
from lightning_flowers.data.cache.files import decoders
from lightning_flowers.data.loader import Loader
from lightning_flowers.files import atomic_file

MAX_BYTES = 4 * 10**9  # of all that are kept, the longest unused go first


def path_of(model: Any, loader: Loader, epochs: int) -> Path | None:
    """Where features are kept that depend on all that these do; None where they are not.

    Several processes keep none: each would have to find what the others find. Nor does a TPU, which computes them in
    seconds and reads weights back slowly; nor are those kept of pictures whose content is not known, as their shards
    are elsewhere.

    Args:
        model: the classifier, with its trainer.
        loader: of the pictures.
        epochs: how many augmented views of each there are.
    """
    trainer = model.trainer
    device = trainer.strategy.root_device
    if trainer.world_size > 1 or not hardware.reads_cheaply(device) or "-" not in loader.split.fingerprint:
        return None
    seen = (loader.split.fingerprint, loader.split.size, decoders())
    drawn = (loader.augment.content, loader.sampler.seed, epochs) if loader.augment else None
    computed = (trainer.precision, device.type, __version__, torch.__version__, timm.__version__)
    normalized = (model.normalize.mean.tolist(), model.normalize.std.tolist())
    digest = hashlib.sha256(repr((seen, drawn, computed, normalized, model.hparams["backbone"])).encode())
    for name, tensor in model.backbone.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return Path(platformdirs.user_cache_dir("lightning_flowers")) / "features" / f"{digest.hexdigest()}.safetensors"


def read_kept(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file; None where there is none, or it is damaged."""
    try:
        tensors = load_file(path)
        path.touch()
    except (OSError, SafetensorError):
        return None
    return tensors


def keep(path: Path, tensors: dict[str, Tensor]) -> bool:
    """Keep tensors, and let the longest unused files go; gives whether there was room."""
    try:
        with atomic_file(path) as part:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part)
        _make_room(path.parent)
    except (OSError, SafetensorError):
        return False
    return True


def _make_room(folder: Path) -> None:
    taken = 0
    for path in sorted(folder.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True):
        taken += path.stat().st_size
        if taken > MAX_BYTES:
            path.unlink()
