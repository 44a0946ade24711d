"""The command line of `soup`."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import torch

from lightning_flowers import hardware
from lightning_flowers.cli.child import flag_names
from lightning_flowers.cli.commands import command
from lightning_flowers.cli.lightning import FlowersCLI
from lightning_flowers.cli.parsing import Parser
from lightning_flowers.data.splits.fingerprints import difference
from lightning_flowers.errors import UserError
from lightning_flowers.files import atomic_file, write_text
from lightning_flowers.markdown import markdown_table, number
from lightning_flowers.report.at_exit import leave_report
from lightning_flowers.run.checkpoints import without_training
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.messages import say
from lightning_flowers.secrets import redact
from lightning_flowers.soup.recipe import (
    Ingredient,
    Method,
    Score,
    Soup,
    Weights,
    best_checkpoint,
    make_soup,
    read_ingredients,
)

_CHOSEN_ON_VAL = "Macro F1 is of the records that the soup was chosen by: expect less on others."


def run(args: Sequence[str]) -> int:
    """Run `soup RUN RUN ...` and return its exit status, 0.

    Raises:
        UserError: a mistake in the arguments, or runs whose weights cannot be averaged.
    """
    given, flags = make_parser().parse_known_args(args)
    for flag, value in pairwise(flags):
        if flag.startswith("--") and "=" not in flag and not value.startswith("-"):
            raise UserError(f"soup: {flag} {value}: flags of data and trainer take their values with =: {flag}=...")
    runs = [*given.runs, *(flag for flag in flags if not flag.startswith("-"))]
    # Several processes would each make a soup of their own; on a TPU there is but one.
    one_device = [] if hardware.has_tpu() else ["--trainer.devices=1"]
    flags = [*one_device, *(flag for flag in flags if flag.startswith("-"))]
    flag_names(make_parser(), flags, {})
    ingredients = read_ingredients(runs)
    first = ingredients[0].run.path
    validation = FlowersCLI(["validate", f"--run={first}", *flags])
    _check_val(validation, ingredients[0])
    soup = make_soup(ingredients, given.method, _scorer(validation))
    folder = RunFolder.new(Path(given.runs_dir), given.name)
    folder.make()
    try:
        _fill(folder, given.method, ingredients, soup, flags)
    except BaseException:
        folder.discard_untrained()
        raise
    say("report", leave_report(folder.path))
    sys.stdout.write(f"\n{_table(ingredients, soup)}\n{_CHOSEN_ON_VAL}\n")
    say("run", str(folder.path))
    best = max(soup.singles)
    if soup.macro_f1 < best:
        sys.stderr.write(
            f"warning: the soup is worse on val than the best of them: {soup.macro_f1:.4f}, not {best:.4f}\n"
        )
    return 0


def make_parser() -> Parser:
    """The flags of `soup`."""
    parser = Parser("soup")
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folders of two runs or more of one backbone; or of one that has kept epochs, by fit --save_top_k",
    )
    recipe = "greedy adds them, best first, that do not make it worse on val (default); uniform takes all"
    parser.add_argument("--method", choices=get_args(Method), default="greedy", help=recipe)
    parser.add_argument("--name", default="soup", help="the new folder's name (default: soup)")
    parser.add_argument("--runs_dir", default="runs", metavar="FOLDER", help="where it is made (default: runs)")
    parser.epilog = "Flags of data and trainer, as --data.root=..., are those of predict; give their values with =."
    return parser


def _scorer(validation: FlowersCLI) -> Score:
    """Scores weights on val with the model, data and trainer of a `validate` command."""

    def score(weights: Weights) -> float:
        validation.model.load_state_dict(weights)
        (scores,) = validation.trainer.validate(validation.model, datamodule=validation.datamodule, verbose=False)
        return float(scores["val_macro_f1"])

    return score


def _check_val(validation: FlowersCLI, first: Ingredient) -> None:
    known = first.run.data.fingerprints.get("val")
    if what := difference(known, validation.datamodule.splits["val"].fingerprint):
        raise UserError(
            f"--data.root: its val split is not that of the runs ({what}): the soup could not be chosen by it"
        )


def _fill(
    folder: RunFolder, method: Method, ingredients: Sequence[Ingredient], soup: Soup, flags: Sequence[str]
) -> None:
    """Make the soup's folder one that reads as a run's, with the settings of a run that went into it: one that was
    trained on external data, if there is any, and with the pseudo-labels of all, so that whatever is made from it says
    so. Its summary comes last, but for what it says of the data, by which predictions are marked."""
    run = next((each.run for each in soup.members if each.run.data.external), soup.members[0].run)
    checkpoint = without_training(best_checkpoint(run))
    write_text(folder.config, redact(RunFolder(run.path).config.read_text("utf-8")))
    with atomic_file(folder.best) as part:
        torch.save({**checkpoint, "state_dict": soup.weights, "class_names": list(run.data.class_names)}, part)
    facts = {**RunFolder(run.path).read_summary(), **_facts(method, ingredients, soup)}
    facts["data"]["pseudo_labelled"] = max(each.run.data.pseudo_labelled for each in soup.members)
    folder.write_summary({"data": facts["data"]})
    FlowersCLI(["predict", f"--run={folder.path}", "--report=false", *flags])
    made = folder.read_summary()["predictions"]
    best = {"epoch": 0, **{f"val_{name}": value for name, value in made["val"].items()}}
    folder.write_summary({**facts, "predictions": made, "best": best})


def _facts(method: Method, ingredients: Sequence[Ingredient], soup: Soup) -> dict[str, Any]:
    singles = {str(each.path): single for each, single in zip(ingredients, soup.singles, strict=True)}
    runs = dict.fromkeys(str(each.run.path) for each in ingredients)
    members = [
        {"path": str(each.path), "backbone": each.run.backbone, "weight": 1 / len(soup.members)}
        for each in soup.members
    ]
    times = ("seconds_first_epoch", "seconds_per_epoch", "images_per_second", "data_wait_seconds_per_epoch", "seed")
    return {
        "soup": {"method": method, "singles": singles, "macro_f1": soup.macro_f1},
        "members": members,
        "command": command("soup", *runs, f"--method={method}"),
        "best_epoch": None,
        "epochs": 0,
        **dict.fromkeys(times),
    }


def _table(ingredients: Sequence[Ingredient], soup: Soup) -> str:
    members = [each.path for each in soup.members]
    rows = [
        [str(each.path), "yes" if each.path in members else "no", number(single, 4)]
        for each, single in zip(ingredients, soup.singles, strict=True)
    ]
    header = ["weights of", "in the soup", "val macro F1"]
    return markdown_table(header, [*rows, ["soup", "", number(soup.macro_f1, 4)]], header[2:])
