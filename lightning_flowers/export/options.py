"""What is asked of `export`, checked before anything is loaded."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_flowers.errors import UserError

KINDS, VARIANTS = ("onnx", "torch", "timm"), ("int8", "fp16")
_OF_ONNX = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Options:
    """What to make, and how it is checked.

    Attributes:
        kinds: of KINDS.
        variants: of VARIANTS, made of the ONNX file.
        license: of the weights, for the model card; None takes that of the pretrained ones.
        data_root: where the run's data lie now; None where they lay.
        pictures: of val, at most, to check on; None for all.
    """

    kinds: tuple[str, ...]
    variants: tuple[str, ...] = ()
    license: str | None = None
    data_root: str | None = None
    pictures: int | None = None

    def check(self) -> None:
        """Fail if something asked for has no effect, cannot be, or lacks a package.

        Raises:
            UserError: says what to do.
        """
        if self.variants and "onnx" not in self.kinds:
            raise UserError(f"--variants={','.join(self.variants)}: are made of ONNX: add it to --to")
        if self.license is not None and "timm" not in self.kinds:
            raise UserError(f"--license={self.license}: stands in timm's folder: add timm to --to")
        if self.pictures is not None and self.pictures < 1:
            raise UserError(f"--pictures={self.pictures}: must be 1 or more")
        missing = [name for name in _OF_ONNX if "onnx" in self.kinds and importlib.util.find_spec(name) is None]
        if missing:
            raise UserError(f"--to=onnx: needs {', '.join(missing)}: pip install 'lightning_flowers[export]'")


def parse_list(flag: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Names with commas between, each of the `known` or `all` of them; in the order of `known`.

    Raises:
        UserError: another name, or none.
    """
    given = set(text.split(","))
    if not given <= {*known, "all"}:
        raise UserError(f"{flag}={text}: must be {', '.join(known)} or all, or several with commas between")
    return tuple(name for name in known if name in given or "all" in given)


def check_out(out: Path) -> None:
    """Fail unless a folder is empty or can be made.

    Raises:
        UserError: says what to do.
    """
    place = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not place.is_dir():
        raise UserError(f"--out={out}: {place} is a file: give a folder")
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"--out={out}: holds files already: give a new folder, or remove it")
