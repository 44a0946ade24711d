"""The command line of `export`."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_flowers.cli.parsing import Parser
from lightning_flowers.errors import UserError
from lightning_flowers.secrets import redact

KINDS = ("onnx", "torch", "timm")
_OF_ONNX = ("onnx", "onnxscript", "onnxruntime")


def run(args: Sequence[str]) -> int:
    """Run `export RUN --to ...` and return its exit status, 0.

    Raises:
        UserError: a mistake in the arguments, the run cannot be used, or a file would not answer as it does.
    """
    given = make_parser().parse_args(args)
    given.to = _kinds(given.to)
    _check(given)
    out = Path(given.out) if given.out is not None else Path("exports") / Path(given.run).resolve().name
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"--out={out}: is there already: give a new folder, or remove it")
    from lightning_flowers.use.loading import load  # imported late: torch takes seconds

    predictor = load(given.run, accelerator="cpu", tta=given.tta)
    from lightning_flowers.export.build import FIGURES, export

    text = export(predictor, out, given.to, given.int8, given.data_root, given.pictures)
    sys.stdout.write(redact(f"{text}\n\nexported   {out} ({FIGURES} has this table)\n"))
    return 0


def _kinds(text: str) -> tuple[str, ...]:
    """Names with commas between, in our order."""
    given = set(text.split(","))
    if not given <= {*KINDS, "all"}:
        raise UserError(f"--to={text}: must be {', '.join(KINDS)} or all, or several with commas between")
    return tuple(name for name in KINDS if name in given or "all" in given)


def _check(given: Any) -> None:
    """Fail if something asked for has no effect, cannot be, or lacks a package."""
    if given.int8 and "onnx" not in given.to:
        raise UserError("--int8: is made of ONNX: add it to --to")
    if given.pictures is not None and given.pictures < 1:
        raise UserError(f"--pictures={given.pictures}: must be 1 or more")
    missing = [name for name in _OF_ONNX if "onnx" in given.to and importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--to=onnx: needs {', '.join(missing)}: pip install 'lightning_flowers[export]'")


def make_parser() -> Parser:
    """The flags of `export`."""
    parser = Parser("export")
    parser.add_argument("run", metavar="RUN", help="folder of a run, a soup or a blend")
    parser.add_argument(
        "--to",
        required=True,
        metavar="KINDS",
        help="onnx (model.onnx: pictures of any size in, calibrated probabilities out), torch (model.pt2: the same for "
        "torch.export.load), timm (a folder for timm and the Hugging Face hub), all, or several with commas between",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="a new folder for them (default: exports/NAME, NAME being the run's)"
    )
    parser.add_argument("--int8", action="store_true", help="a smaller ONNX file of 8 bits too; its scores are told")
    parser.add_argument(
        "--tta",
        metavar="VIEWS",
        help="views of each picture that ONNX and torch average over: none, flips (2), dihedral (8) "
        "(default: as the run's predictions were made)",
    )
    parser.add_argument("--data_root", metavar="FOLDER", help="where the run's data lie now, to check on val")
    parser.add_argument("--pictures", type=int, metavar="N", help="check on N pictures of val (default: all)")
    parser.epilog = (
        "Each file is loaded as other programs would load it and asked about all val pictures: one that does not "
        "answer as the run does (probabilities to 1e-4, the same top class) is not given."
    )
    return parser
