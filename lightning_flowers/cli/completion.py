"""What completes commands, flags and their values in a shell."""

import importlib
from collections.abc import Sequence
from typing import Any

from lightning_flowers.cli.commands import COMMANDS, TOOLS
from lightning_flowers.errors import UserError

FLAG = "--print_completion"
SHELLS = ("bash", "zsh", "tcsh", "fish")


def script(args: Sequence[str]) -> str:
    """The script for a shell, as `--print_completion=bash` asks for it.

    Raises:
        UserError: no such shell.
    """
    shell = args[0].partition("=")[2] or "".join(args[1:2])
    if shell not in SHELLS:
        raise UserError(f"{FLAG}={shell}: give one of {', '.join(SHELLS)}")
    return _all_commands().get_completion_script(f"shtab-{shell}")


def _all_commands() -> Any:
    """One parser for all commands."""
    from jsonargparse import ArgumentParser  # late, as all of this: other commands should not wait for it

    from lightning_flowers.cli.internals import complete_values
    from lightning_flowers.records import cli as records

    program = ArgumentParser(prog="lightning_flowers", print_config=None)
    commands = program.add_subcommands()
    for name, text in (COMMANDS | TOOLS).items():
        parser = commands.add_subcommand(name, _parser(name), help=text)
        complete_values(parser)
        if name == "records":
            inner = parser.add_subcommands()
            for each, (told, _) in records.COMMANDS.items():
                complete_values(inner.add_subcommand(each, records.make_parser(each), help=told))
    return program


def _parser(name: str) -> Any:
    from jsonargparse import ArgumentParser

    from lightning_flowers.cli.parser import make_parser
    from lightning_flowers.rehearse import rehearsal

    if name in COMMANDS:
        return make_parser(name)
    if name == "rehearse":
        return rehearsal.make_parser()
    parents = [] if name == "records" else [importlib.import_module(f"lightning_flowers.{name}.cli").make_parser()]
    return ArgumentParser(parents=parents, add_help=not parents, print_config=None)
