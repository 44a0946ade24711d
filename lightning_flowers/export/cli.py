"""The command line of `export`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_flowers.cli.parsing import Parser
from lightning_flowers.export.options import KINDS, VARIANTS, Options, check_out, parse_list
from lightning_flowers.secrets import redact


def run(args: Sequence[str]) -> int:
    """Run `export RUN --to ...` and return its exit status, 0.

    Raises:
        UserError: a mistake in the arguments, the run cannot be used, or a file would not answer as it does.
    """
    given = make_parser().parse_args(args)
    options = Options(
        kinds=parse_list("--to", given.to, KINDS),
        variants=parse_list("--variants", given.variants, VARIANTS) if given.variants is not None else (),
        license=given.license,
        data_root=given.data_root,
        pictures=given.pictures,
    )
    options.check()
    out = Path(given.out) if given.out is not None else Path("exports") / Path(given.run).resolve().name
    check_out(out)
    from lightning_flowers.use.loading import load  # imported late: torch takes seconds

    predictor = load(given.run, accelerator="cpu", tta=given.tta)
    from lightning_flowers.export.build import FIGURES, export

    text = export(predictor, options, out)
    sys.stdout.write(redact(f"{text}\n\nexported   {out} ({FIGURES} has this table)\n"))
    return 0


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
    parser.add_argument(
        "--variants", metavar="KINDS", help="smaller ONNX files beside it: int8, fp16 or all; their scores are told"
    )
    parser.add_argument(
        "--tta",
        metavar="VIEWS",
        help="views of each picture that ONNX and torch average over: none, flips (2), dihedral (8) "
        "(default: as the run's predictions were made)",
    )
    parser.add_argument("--license", metavar="NAME", help="of the weights (default: that of the pretrained ones)")
    parser.add_argument("--data_root", metavar="FOLDER", help="where the run's data lie now, to check on val")
    parser.add_argument("--pictures", type=int, metavar="N", help="check on N pictures of val (default: all)")
    parser.epilog = (
        "Each file is loaded as other programs would load it and asked about all val pictures: one that does not "
        "answer as the run does (probabilities to 1e-4, the same top class) is not given."
    )
    return parser
