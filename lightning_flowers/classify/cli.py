"""The command line of `classify`."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lightning_flowers.classify.inputs import PictureInput, expand
from lightning_flowers.cli.parsing import Parser
from lightning_flowers.data.photograph import PictureError
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Decision
from lightning_flowers.parallel import in_order
from lightning_flowers.secrets import redact

if TYPE_CHECKING:
    from lightning_flowers.classify.answers import Answer
    from lightning_flowers.use.predictor import Predictor

FAILED = 1
_BATCH = 32  # pictures that the model sees at once


def run(args: Sequence[str]) -> int:
    """Run `classify RUN PICTURE ...` and return its exit status: 0, or 1 if a picture could not be classified.

    Raises:
        UserError: a mistake in the arguments, or the run cannot be used.
    """
    given = make_parser().parse_intermixed_args(args)
    if given.top < 1:
        raise UserError(f"--top={given.top}: must be 1 or more")
    pictures = [PictureInput(printable(name), opened) for name, opened in expand(given.pictures)]
    from lightning_flowers.use.loading import load  # imported late: torch takes seconds

    predictor = load(given.run, accelerator=given.accelerator, tta=given.tta, decision=given.decision)
    failed: list[str] = []

    def noted(answers: "Iterator[Answer]") -> "Iterator[Answer]":
        for name, found in tqdm(answers, "classifying", len(pictures), unit="picture", leave=False, disable=None):
            if isinstance(found, str):
                failed.append(name)
                tqdm.write(redact(f"lightning_flowers: {name}: {found}"), file=sys.stderr)
            yield name, found

    for text in _texts(given, predictor, pictures, noted(_answers(predictor, pictures, given.top))):
        tqdm.write(text, file=sys.stdout, end="")
    if failed and len(pictures) > 1:
        sys.stderr.write(f"lightning_flowers: {len(failed)} of {len(pictures)} pictures could not be classified\n")
    return FAILED if failed else 0


def printable(name: str) -> str:
    """A name in one line, without what would steer a terminal or is no character."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in name
    )


def _answers(predictor: "Predictor", pictures: Sequence[PictureInput], top: int) -> "Iterator[Answer]":
    def read(picture: PictureInput) -> NDArray[np.uint8] | str:
        try:
            return predictor.read(picture.open())
        except PictureError as error:
            return str(error)

    all_read = zip(pictures, in_order(read, pictures), strict=True)
    while some := list(islice(all_read, _BATCH)):
        good = [pixels for _, pixels in some if not isinstance(pixels, str)]
        guesses = iter(predictor.guesses(predictor.probabilities_of(np.stack(good)), top) if good else ())
        for picture, pixels in some:
            yield picture.name, pixels if isinstance(pixels, str) else next(guesses)


def _texts(
    given: Any, predictor: "Predictor", pictures: Sequence[PictureInput], answers: "Iterator[Answer]"
) -> Iterator[str]:
    from lightning_flowers.classify.answers import as_csv, as_json, as_table

    if given.json:
        return as_json(answers)
    if given.csv:
        return as_csv(answers, min(given.top, len(predictor.classes)))
    return as_table(answers, [picture.name for picture in pictures], predictor.classes)


def make_parser() -> Parser:
    """The flags of `classify`."""
    parser = Parser("classify")
    parser.add_argument("run", metavar="RUN", help="folder of a run, a soup or a blend")
    parser.add_argument(
        "pictures", nargs="+", metavar="PICTURE", help="files, folders (all pictures below), http(s) URLs, - for stdin"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects: picture, and guesses or error")
    form.add_argument("--csv", action="store_true", help="picture,label,name,probability, then the runners-up")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="classes shown of each picture (default: 5)")
    parser.add_argument(
        "--tta",
        metavar="VIEWS",
        help="average over views of each picture: none, flips (2), dihedral (8) "
        "(default: as the run's predictions were made)",
    )
    parser.add_argument(
        "--decision",
        choices=get_args(Decision),
        default="argmax",
        help="how the answer is chosen: adjusted is fitted on val for macro F1 (default: argmax)",
    )
    parser.add_argument(
        "--accelerator", default="auto", help="auto (TPU, then CUDA, then CPU; default), cpu, cuda, tpu"
    )
    parser.epilog = "Exit status: 0, or 1 if a picture could not be classified: it is named on stderr, others go on."
    return parser
