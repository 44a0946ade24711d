"""Features, which take long to compute, in the user's cache folder: named by what they depend on; the unused go."""

import hashlib
from contextlib import suppress
from pathlib import Path

import platformdirs
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lightning_flowers import __version__
from lightning_flowers.files import atomic_file

MAX_BYTES = 4 * 10**9  # of all files: the longest unused go


def path_of(name: str) -> Path:
    """Where a file is, or is to be; one that is there counts as used now."""
    path = Path(platformdirs.user_cache_dir("lightning_flowers")) / "features" / f"{name}.safetensors"
    if path.is_file():
        with suppress(OSError):  # a folder that others have filled
            path.touch()
    return path


def load(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file; None where there is none, or it is damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        return None


def save(path: Path, tensors: dict[str, Tensor]) -> bool:
    """Keep tensors; gives whether there was room."""
    try:
        with atomic_file(path) as part:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part)
        with suppress(FileNotFoundError):  # another process lets files go too
            _let_go(path.parent)
    except (OSError, SafetensorError):
        return False
    return True


def fingerprint(told: object, *models: nn.Module) -> str:
    """Of what is told, by its `repr`, of the weights of models, and of the versions that compute with them."""
    digest = hashlib.sha256(repr((__version__, torch.__version__, timm.__version__, told)).encode())
    for model in models:
        for name, tensor in model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _let_go(folder: Path) -> None:
    taken, files = 0, folder.glob("[!.]*")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        taken += file.stat().st_size
        if taken > MAX_BYTES:
            file.unlink()
