"""The command line of `lr_find`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lightning_flowers.cli.child import flag_names
from lightning_flowers.cli.parsing import Parser
from lightning_flowers.errors import UserError
from lightning_flowers.files import free_path
from lightning_flowers.lr_find.finding import Finder, draw
from lightning_flowers.run.messages import say

_ALL_LAYERS = "the test has one rate for all that is trained: leave it out"
_NO_RUN = "no run is made: leave it out"
_OWN_LENGTH = "the test has a length and rates of its own: leave it out"
_REFUSED = {
    **dict.fromkeys(("resume", "seeds", "name", "runs_dir", "predict", "report"), _NO_RUN),
    **dict.fromkeys(("save_every_minutes", "save_every_steps", "save_top_k", "trainer.logger"), _NO_RUN),
    **dict.fromkeys(("hours", "trainer.max_epochs", "trainer.max_steps", "trainer.max_time"), _OWN_LENGTH),
    **dict.fromkeys(("trainer.fast_dev_run", "model.lr", "model.schedule", "model.warmup_epochs"), _OWN_LENGTH),
    **dict.fromkeys(("model.ema_decay", "model.first_size"), "has no effect on it: leave it out"),
    **dict.fromkeys(("model.layer_decay", "model.head_epochs"), _ALL_LAYERS),
}


def run(args: Sequence[str]) -> int:
    """Run `lr_find` and return its exit status, 0.

    Raises:
        UserError: a mistake in the arguments, a TPU, or a loss that never fell.
    """
    given, flags = make_parser().parse_known_args(args)
    out = _check(given, flags)
    found = Finder(flags, given.steps).found
    if found.suggestion is None:
        raise UserError(f"lr_find: the loss was no number within --steps={given.steps}: look at the data")
    draw(out, found)
    say("lr", f"{found.suggestion:.2g}, where the loss falls fastest; its curve: {out}")
    say("give fit", f"--model.lr={found.suggestion:.2g}")
    return 0


def make_parser() -> Parser:
    """The flags of `lr_find`."""
    parser = Parser("lr_find")
    parser.add_argument("--steps", type=int, default=100, help="so many rates, each for a step (default: 100)")
    out = "the picture of the curve (default: lr.png, or the next name that is free)"
    parser.add_argument("--out", metavar="FILE", help=out)
    parser.epilog = "All other flags are those of fit; give their values with =."
    return parser


def _check(given: argparse.Namespace, flags: Sequence[str]) -> Path:
    flag_names(make_parser(), flags, _REFUSED)
    if given.steps < 20:
        raise UserError(f"--steps={given.steps}: must be 20 or more: the first ten rates are left out")
    if given.out is not None and not (given.out.endswith(".png") and Path(given.out).expanduser().parent.is_dir()):
        raise UserError(f"--out={given.out}: give a .png in a folder that is there")
    return free_path(given.out, "lr.png")
