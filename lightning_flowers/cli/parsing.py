"""The command line of a tool."""

import argparse
import os
import re
from collections.abc import Sequence
from typing import NoReturn

from lightning_flowers.cli.commands import PROGRAM, TOOLS
from lightning_flowers.errors import UserError, did_you_mean

_UNKNOWN = re.compile(
    r"(?:unrecognized arguments: --|(?:Group '(?P<group>\w+)' does not accept o|O)ption ')(?P<name>[\w.-]+)"
)
_HOME = re.compile(r"(?<=[=,[])~(?=/)")
_FLAGS = re.compile(r"^ +(?:-\w+,? )*(--[\w.-]+)", re.MULTILINE)  # in a help, where each begins a line


class Parser(argparse.ArgumentParser):
    """Turns every mistake on the command line into one line.

    Args:
        tool: one of TOOLS.
    """

    def __init__(self, tool: str) -> None:
        super().__init__(f"{PROGRAM} {tool}", description=TOOLS[tool], allow_abbrev=False)
        self._tool = tool

    def error(self, message: str) -> NoReturn:
        message = message.replace("ignored explicit argument", "takes no value, not")  # it is refused, not ignored
        raise UserError(f"{message}{nearest_flag(self, message)} (see {self._tool} --help)")


def at_home(args: Sequence[str]) -> list[str]:
    """A command line in which `--flag=~/runs` means what `--flag ~/runs` does: shells leave ~ as it is after a =, and a
    folder of that name in the working folder is what nobody wants."""
    home = os.path.expanduser("~")  # noqa: PTH111 - where there is none this leaves ~ as it is
    return [_HOME.sub(lambda _: home, arg) if arg.startswith("--") else arg for arg in args]


def given(args: Sequence[str], *flags: str) -> list[tuple[str, str]]:
    """What some flags are given, each as `--flag=value` or `--flag value`."""
    parts = [(arg.partition("="), after) for arg, after in zip(args, [*args[1:], ""], strict=True)]
    return [(flag, value if equals else after) for (flag, equals, value), after in parts if flag in flags]


def without(args: Sequence[str], *flags: str) -> list[str]:
    """A command line without some flags and what they are given."""
    befores = ["", *args[:-1]]
    return [arg for before, arg in zip(befores, args, strict=True) if not {arg.partition("=")[0], before} & set(flags)]


def nearest_flag(parser: argparse.ArgumentParser, message: str) -> str:
    """`: did you mean --out?` where a parser says that there is no such flag, or setting of a config, or is given a
    folder by itself; else ""."""
    name, word = unknown_name(message), message.removeprefix("unrecognized arguments: ")
    is_folder = word != message and os.path.isdir(word)  # noqa: PTH112 - Path's raises for a name that is too long
    if not name and not is_folder:
        return ""
    flags = set(_FLAGS.findall(parser.format_help()))
    if is_folder:
        return f": did you mean --run={word}?" if "--run" in flags else ""
    return did_you_mean(f"--{name}", flags)


def unknown_name(message: str) -> str | None:
    """The flag, without its dashes, or the setting of a config, of which a parser says that there is none."""
    unknown = _UNKNOWN.match(message)
    return ".".join(filter(None, unknown.group("group", "name"))) if unknown else None
