"""What takes long to make, in the user's cache folder: files named by all that they depend on."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import timm
import torch

from lightning_flowers import __version__
from lightning_flowers.files import atomic_file
from lightning_flowers.use.predictor import Predictor

_MOST = 8  # files of a kind


def path_of(kind: str, name: str, suffix: str) -> Path:
    """Where a file is, or is to be."""
    return Path(platformdirs.user_cache_dir("lightning_flowers")) / kind / f"{name}{suffix}"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, as `atomic_file` does; of the files of its kind the oldest go."""
    with atomic_file(path) as part:
        yield part
    files = path.parent.glob(f"[!.]*{path.suffix}")
    for old in sorted(files, key=lambda file: file.stat().st_mtime)[:-_MOST]:
        old.unlink(missing_ok=True)


def fingerprint(predictor: Predictor) -> str:
    """Of all that a predictor's answers depend on."""
    digest = hashlib.sha256(repr((__version__, torch.__version__, timm.__version__, predictor.classes)).encode())
    digest.update(repr((predictor.method, predictor.temperature, predictor.size_px)).encode())
    for member in predictor.members:
        settings = sorted(member.model.hparams.items())
        digest.update(repr((member.weight, member.size_px, member.tta, settings)).encode())
        for name, tensor in member.model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()
