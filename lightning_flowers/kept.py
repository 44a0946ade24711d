"""What takes long to make, in the user's cache folder: files named by what they depend on; the longest unused go."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
import timm
import torch
from torch import nn

from lightning_flowers import __version__
from lightning_flowers.files import atomic_file

MAX_BYTES = 4 * 10**9  # of the files of a kind


def path_of(kind: str, name: str, suffix: str) -> Path:
    """Where a file is, or is to be; one that is there counts as used now."""
    path = Path(platformdirs.user_cache_dir("lightning_flowers")) / kind / f"{name}{suffix}"
    if path.is_file():
        with suppress(OSError):  # a folder that others have filled
            path.touch()
    return path


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, as `atomic_file` does; of the files of its kind the longest unused go."""
    with atomic_file(path) as part:
        yield part
    with suppress(FileNotFoundError):  # another process lets files go too
        _let_go(path.parent, path.suffix)


def fingerprint(told: object, *models: nn.Module) -> str:
    """Of what is told, by its `repr`, of the weights of models, and of the versions that compute with them."""
    digest = hashlib.sha256(repr((__version__, torch.__version__, timm.__version__, told)).encode())
    for model in models:
        for name, tensor in model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _let_go(folder: Path, suffix: str) -> None:
    taken, files = 0, folder.glob(f"[!.]*{suffix}")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        taken += file.stat().st_size
        if taken > MAX_BYTES:
            file.unlink()
