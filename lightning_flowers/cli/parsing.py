"""The command line of a tool."""

import argparse
from typing import NoReturn

from lightning_flowers.cli.commands import PROGRAM, TOOLS
from lightning_flowers.errors import UserError


class Parser(argparse.ArgumentParser):
    """Turns every mistake on the command line into one line.

    Args:
        tool: one of TOOLS.
    """

    def __init__(self, tool: str) -> None:
        super().__init__(f"{PROGRAM} {tool}", description=TOOLS[tool], allow_abbrev=False)
        self._tool = tool

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self._tool} --help)")
