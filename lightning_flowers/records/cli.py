"""The command line of `records`."""

import importlib
from collections.abc import Callable

from jsonargparse import ArgumentParser

from lightning_flowers.cli.commands import PROGRAM
from lightning_flowers.cli.parsing import nearest_flag
from lightning_flowers.errors import UserError, did_you_mean

# Of each command: what it does, and its first argument, which needs no flag.
COMMANDS: dict[str, tuple[str, str]] = {
    "inspect": ("Tell what shards hold: counts, classes, sizes, features, first records.", "root"),
    "verify": ("Check every record and decode every picture; exit status 1 if anything is bad.", "root"),
    "stats": ("Draw the classes' histogram, find near-duplicates and leaks.", "root"),
    "show": ("Draw pictures with their classes' names, with --augment beside their augmented selves.", "root"),
    "convert": ("Make shards of pictures of any kind.", "source"),
}
_POSITIONAL = {
    "root": "The folder that holds tfrecords-jpeg-SxS/{train,val,test}. Default: where fit finds its data.",
    "source": "A folder of CLASS/*, or of train, val and test with CLASS/* (test may be flat); a CSV, TFRecords, tars, "
    "Parquet; a hub's URL.",
}


class Parser(ArgumentParser):
    """Turns every mistake on the command line into one line."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise UserError(f"{' '.join(message.split())}{nearest_flag(self, message)} (see --help)") from ex


def run(args: list[str]) -> int:
    """Run `records COMMAND ...` and return its exit status: 0, or 1 where a check has failed.

    Raises:
        UserError: a mistake in the arguments or the data.
    """
    if not args or args[0] in ("--help", "-h"):
        from lightning_flowers.records.text import say

        say(usage())
        return 0
    if args[0] not in COMMANDS:
        hint = did_you_mean(args[0], COMMANDS) or f": use one of {', '.join(COMMANDS)}"
        raise UserError(f"records {args[0]}: no such command{hint} (see records --help)")
    settings = make_parser(args[0]).parse_args(args[1:]).as_dict()
    try:
        return _function(args[0])(**settings)
    except UserError as error:  # the data room names the arguments of `fit`
        raise UserError(error.args[0].replace("--data.root=", "").replace("--data.", "--")) from error


def usage() -> str:
    """The help of `records` as a whole."""
    lines = [f"  {name:<10}{text}" for name, (text, *_) in COMMANDS.items()]
    return "\n".join([f"usage: {PROGRAM} records COMMAND", "", "commands:", *lines, "", "See records COMMAND --help."])


def _function(name: str) -> Callable[..., int]:
    """Imported late: what one command needs, the others should not wait for."""
    return getattr(importlib.import_module(f"lightning_flowers.records.{name}"), f"{name}_records")


def make_parser(name: str) -> Parser:
    """The flags of one of COMMANDS."""
    text, positional = COMMANDS[name]
    parser = Parser(prog=f"{PROGRAM} records {name}", description=text, allow_abbrev=False)
    parser.add_argument(positional, nargs="?", help=_POSITIONAL[positional])
    parser.add_function_arguments(_function(name), skip={positional}, as_positional=False)
    return parser
