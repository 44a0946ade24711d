"""Where the command line reaches into private parts of argparse and jsonargparse (4.50 to 4.53), and nowhere else."""

import os
import re
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from jsonargparse import ArgumentParser as JsonArgumentParser
from jsonargparse import DefaultHelpFormatter, Namespace
from jsonargparse._actions import _ActionConfigLoad
from jsonargparse._common import parser_context

from lightning_flowers import strict_yaml
from lightning_flowers.cli.wording import LINKED
from lightning_flowers.errors import UserError


class ShortHelp(DefaultHelpFormatter):
    """Help of a flag: what it is and its default, without types, which its values show."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        super().__init__(prog, **{"max_help_position": 34, **kwargs})

    def _get_help_string(self, action: Action) -> str:
        text = action.help or ""
        told = action.default in (None, SUPPRESS, ()) or "Default:" in text or not action.option_strings
        return text if told else f"{text.removesuffix('.')} (default: %(default)s)."

    def _format_action_invocation(self, action: Action) -> str:
        return re.sub(r", --\S+\+ .*", "", super()._format_action_invocation(action))  # the form that adds to a list


def retell(parser: ArgumentParser, tell: Callable[[str], str | None]) -> None:
    """Give flags another help, or leave them out of it; they are accepted as before.

    Args:
        parser: whose help it is. It can no longer dump settings, as jsonargparse leaves hidden ones out there too.
        tell: gives the help of a flag by its name in the settings, as `data.size`: "" for what it has, None for none.
    """
    for action in parser._actions:
        text = tell(action.dest)
        action.help = SUPPRESS if text is None else text or action.help


def check_names(parser: JsonArgumentParser, settings: Namespace) -> None:
    """Refuse settings of names that a parser does not know, or that it would replace by another setting's; what they
    are given may need what other files say."""
    if linked := next((name for name in LINKED if name in settings), None):
        raise UserError(f"--{linked}: {LINKED[linked]}")
    try:
        with parser_context(lenient_check=True):
            parser.validate(settings)
    except KeyError as error:
        parser.error(str(error), error)


@contextmanager
def naming(file: object) -> Iterator[None]:
    """Have what is wrong with the settings of a YAML name the file: later it would be one of several."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{file}: {error.args[0]}") from error


def name_files(parser: JsonArgumentParser) -> None:
    """Have what is wrong with the settings of one group, or with one that may be a file too, be told as of --config: by
    the setting, and the file that --data=FILE or --trainer.callbacks=FILE names."""
    groups: list[Any] = [action for action in parser._actions if isinstance(action, _ActionConfigLoad)]
    for group in groups:
        group._load_config = partial(_load_group, group._load_config, group.dest)
    settings: list[Any] = [action for action in parser._actions if getattr(action, "_enable_path", False)]
    for setting in settings:
        setting._check_type_ = partial(_check_setting, setting._check_type_, parser)


def _load_group(load: Callable[[Any, Any], Namespace], group: str, given: Any, parser: JsonArgumentParser) -> Namespace:
    with _from_file(given) as is_file:
        try:
            settings = load(given, parser)
        except TypeError as error:
            why = str(error.__cause__)
            if "Unable to load config" in why or not (is_file or why.startswith("Parser key")):
                raise  # it holds no settings
            parser.error(why, error)
        check_names(parser, Namespace({group: settings}))
        return settings


def _check_setting(check: Callable[..., Any], parser: JsonArgumentParser, given: Any, **kwargs: Any) -> Any:
    with _from_file(given) as is_file:
        try:
            return check(given, **kwargs)
        except TypeError as error:
            if not is_file:
                raise
            parser.error(str(error), error)


@contextmanager
def _from_file(given: Any) -> Iterator[bool]:
    """Whether what is given names a file, as messages then do, too; in that no key may stand twice."""
    if not isinstance(given, str) or not os.path.isfile(given):  # noqa: PTH113 - of settings too long for a name Path fails
        yield False
        return
    with naming(given):
        try:
            strict_yaml.load(Path(given).read_text("utf-8"))
        except strict_yaml.RepeatedKeyError as error:
            raise UserError(f"{error.problem} ({str(error.problem_mark).strip()})") from error
        except (OSError, ValueError, yaml.YAMLError):
            pass  # which jsonargparse tells
        yield True


def take_ints_first(parser: ArgumentParser) -> None:
    """Have 1 be 1 where 1.0 is something else: typing may give Union[float, int] for Union[int, float], and the first
    that fits is taken."""
    actions: list[Any] = parser._actions
    for action in actions:
        kinds = get_args(hint := getattr(action, "_typehint", None))
        if get_origin(hint) is Union and {int, float} <= set(kinds):
            action._typehint = Union[(int, *(kind for kind in kinds if kind is not int))]


def complete_values(parser: ArgumentParser) -> None:
    """Have a shell complete files in arguments that are any text, and nothing in the Trainer's: jsonargparse would look
    through the arguments of every class that each could be, for minutes."""
    import shtab

    actions: list[Any] = parser._actions
    for action in actions:
        if action.option_strings and not action.option_strings[0].startswith("-"):
            action.help = SUPPRESS  # a link between settings, no flag
        elif action.dest.startswith("trainer."):
            action.complete = {}
        elif action.nargs != 0 and not action.choices and getattr(action, "_typehint", None) in (None, str, str | None):
            action.complete = shtab.FILE
