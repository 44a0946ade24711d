"""Features that outlast their run: the next one of the same backbone on the same pictures need not compute them."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lightning_flowers import hardware, kept
from lightning_flowers.data.cache.files import decoders
from lightning_flowers.data.loader import Loader


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
    computed = (trainer.precision, device.type, model.hparams["backbone"])
    normalized = (model.normalize.mean.tolist(), model.normalize.std.tolist())
    name = kept.fingerprint((seen, drawn, computed, normalized), model.backbone)
    return kept.path_of("features", name, ".safetensors")


def read_kept(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file; None where there is none, or it is damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        return None


def keep(path: Path, tensors: dict[str, Tensor]) -> bool:
    """Keep tensors; gives whether there was room."""
    try:
        with kept.new_file(path) as part:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part)
    except (OSError, SafetensorError):
        return False
    return True
