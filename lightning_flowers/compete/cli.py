"""The command line of `compete`."""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from lightning_flowers.cli.child import flag_names
from lightning_flowers.cli.commands import command
from lightning_flowers.cli.parsing import Parser
from lightning_flowers.compete import jobs
from lightning_flowers.compete.campaign import Campaign
from lightning_flowers.compete.choice import describe
from lightning_flowers.compete.page import describe_served, write_page
from lightning_flowers.compete.plan import fold_flags
from lightning_flowers.errors import UserError
from lightning_flowers.run.budget import Budget
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.run.results import read_run
from lightning_flowers.secrets import redact

_OWN = {
    "resume": "the same command goes on by itself",
    "seed_everything": "it takes as many seeds as there is time for",
    "report": "each run has its page",
    "predict": "each run predicts",
    "config": "give the file among --backbones",
    "model.backbone": "give it among --backbones",
    "data.folds": "give --folds",
    "data.fold": "it trains all of them",
    "data.train_on": "the last round is trained on train and val",
    "data.pseudo_labels": "give --pseudo_labels alone",
    "trainer.max_time": "give --hours",
}


def run(args: Sequence[str]) -> int:
    """Run `compete --hours=H` and return its exit status, 0.

    Raises:
        UserError: a mistake in the arguments, or nothing could be trained.
    """
    began = time.monotonic()
    given, flags = make_parser().parse_known_args(args)
    _check(given, flags)
    folder = RunFolder.of_many(Path(given.runs_dir), given.name)
    models = _models("backbones", given.backbones)
    distilled = list(_models("distill", given.distill).items()) if given.distill else [None]
    if len(distilled) > 1:
        raise UserError(f"--distill={given.distill}: give one")
    alone = (*models.values(), *(one[1] for one in distilled if one))
    jobs.check([[*own, *flags, *fold_flags(given.folds)] for own in alone])  # not after others have been probed
    folder.mkdir(parents=True, exist_ok=True)
    try:
        file, seconds = folder / "seconds-used.txt", given.hours * 3600
        with FileLock(folder / ".lock", timeout=0), Budget(file, seconds, began) as budget:
            more = (given.folds, given.pseudo_labels, *distilled)
            _compete(Campaign(folder, models, flags, budget, *more), budget, given.hours, args)
    except Timeout as error:
        raise UserError(f"{folder}: another process is at it: wait for it, or give another --name") from error
    return 0


def make_parser() -> Parser:
    """The flags of `compete`."""
    parser = Parser("compete")
    parser.add_argument("--hours", type=float, required=True, help="the budget, of all its sessions together")
    models = "with commas between, the most promising first: names of backbones, or YAMLs of settings of fit"
    parser.add_argument(
        "--backbones", default="tf_efficientnet_lite0", help=f"{models} (default: tf_efficientnet_lite0)"
    )
    parser.add_argument(
        "--folds", type=int, metavar="K", help="train K folds of train+val in place of train, and choose by all of them"
    )
    pseudo = "have models learn from what they say of test too, before further seeds"
    parser.add_argument("--pseudo_labels", action="store_true", help=pseudo)
    distilled = "backbone, or YAML, of a model that learns from the blend in the end, to be served in its place"
    parser.add_argument("--distill", metavar="BACKBONE", help=distilled)
    parser.add_argument("--name", default="compete", help="the folder's name; the same goes on (default: compete)")
    parser.add_argument("--runs_dir", default="runs", metavar="FOLDER", help="where it is made (default: runs)")
    parser.epilog = "All other flags are those of fit, for every run; give their values with =."
    return parser


def _compete(campaign: Campaign, budget: Budget, hours: float, args: Sequence[str]) -> None:
    if budget.before:
        up = ": no time is left, give more --hours to go on" if budget.left <= 0 else ""
        say("hours", f"{budget.before / 3600:.2f} of {hours:g} are used{up}")
    plan = campaign.plan()
    sys.stdout.write(f"\n{plan.describe()}\n\n")
    for name in plan.left_out:
        say("left out", f"{name}: no time for it in {hours:g} hours")
    answer = campaign.run(plan)
    runs = [read_run(campaign.runs / job.name) for job in plan.jobs if jobs.is_done(campaign.runs, job.name)]
    left_out = dict.fromkeys(plan.left_out, f"no time for it in {hours:g} hours") | campaign.failed
    page = write_page(campaign.folder, answer, runs, left_out, campaign.leaks, redact(command("compete", *args)))
    for step in answer.steps:
        say("val", f"{step.name}: macro F1 {step.nested:.4f} nested ({describe(step.option)})")
    if answer.leaked:
        say("leak", answer.leaked)
    say("page", str(page))
    say("one model", f"{describe_served(runs)}: give it to serve, classify, export or predict --run")


def _check(given: argparse.Namespace, flags: Sequence[str]) -> None:
    if not 0 < given.hours < float("inf"):
        raise UserError(f"--hours={given.hours:g}: must be above 0, and finite")
    if given.folds is not None and given.folds < 2:
        raise UserError(f"--folds={given.folds}: must be 2 or more")
    flag_names(make_parser(), flags, _OWN)


def _models(flag: str, given: str) -> dict[str, Sequence[str]]:
    """Flags of each model by its name: a file's stem, or the backbone's."""
    models: dict[str, Sequence[str]] = {}
    for one in map(str.strip, given.split(",")):
        is_file = Path(one).suffix in (".yaml", ".yml")
        if is_file and not Path(one).is_file():
            raise UserError(f"--{flag}={given}: {one}: no such file")
        name = re.sub(r"[^\w.+-]", "-", Path(one).stem if is_file else one)  # runs' folders are called so
        if not name or name in models:
            raise UserError(f"--{flag}={given}: give different backbones or files, with commas between")
        models[name] = [f"--config={one}"] if is_file else [f"--model.backbone={one}"]
    return models
