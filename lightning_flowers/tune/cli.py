"""The command line of `tune`."""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lightning_flowers.cli.child import flag_names
from lightning_flowers.cli.commands import command
from lightning_flowers.cli.parsing import Parser
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.secrets import redact

_REFUSED: dict[str, str] = dict.fromkeys(("resume", "report", "predict", "run"), "is of single runs: leave it out")


def run(args: Sequence[str]) -> int:
    """Run `tune` and return its exit status, 0.

    Raises:
        UserError: a mistake in the arguments, Optuna is not installed, or trials fail.
    """
    given, flags = make_parser().parse_known_args(args)
    _check(given, flags)
    try:
        from lightning_flowers.tune import results, search, space
    except ModuleNotFoundError as error:
        raise UserError(f"tune: needs {error.name}: pip install 'lightning_flowers[tune]'") from error
    wanted = search.Search(Path(given.runs_dir) / given.name, space.read_space(given.vary), tuple(flags), given.storage)
    deadline = time.monotonic() + given.hours * 3600
    study = search.open_study(wanted)
    try:
        search.run_trials(study, wanted, given.trials, deadline, lambda line: print(line, flush=True))  # noqa: T201
    finally:
        if search.best_trial(study):
            table = results.write_results(study, wanted.folder, redact(command("tune", *args)))
            sys.stdout.write(f"\n{table}\n\n")
    if not search.best_trial(study):
        raise UserError(f"tune: no trial came to its end within --hours={given.hours:g}")
    say("settings", f"{wanted.folder / 'best.yaml'} (chosen on val: expect less on other records)")
    return 0


def make_parser() -> Parser:
    """The flags of `tune`."""
    parser = Parser("tune")
    vary = "a setting of fit, its range or values: model.lr=1e-4..1e-2:log, data.batch_size=16..64, 'model.mixup=0|0.2'"
    parser.add_argument("--vary", action="append", default=[], metavar="SETTING=VALUES", help=vary)
    parser.add_argument("--trials", type=int, default=20, help="how many in all, pruned ones counted (default: 20)")
    parser.add_argument("--hours", type=float, default=math.inf, help="when to end, after an epoch (default: no limit)")
    parser.add_argument("--name", default="tune", help="the search's folder; the same name goes on (default: tune)")
    parser.add_argument("--runs_dir", default="runs", metavar="FOLDER", help="where it is made (default: runs)")
    storage = "a database that several hosts search by, as Optuna writes it: postgresql://... (default: in the folder)"
    parser.add_argument("--storage", metavar="URL", help=storage)
    parser.epilog = "All other flags are those of fit, for every trial; give their values with =."
    return parser


def _check(given: argparse.Namespace, flags: Sequence[str]) -> None:
    names = flag_names(make_parser(), flags, _REFUSED)
    varied = next((text for text in given.vary if text.removeprefix("--").partition("=")[0] in names), None)
    if varied:
        raise UserError(f"--vary={varied}: is given as a flag of all trials too: leave one of them out")
    if given.trials < 1 or not given.hours > 0:
        raise UserError(f"tune: --trials={given.trials} --hours={given.hours:g}: both must be above 0")
    RunFolder.of_many(Path(given.runs_dir), given.name)  # what cannot be its folder
