"""Errors that a user can mend: shown as one line, without a traceback."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral, Real
from textwrap import shorten
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

# A flag, but for those of a whole command that a message tells to run.
_FLAG = re.compile(
    r"python -m lightning_flowers .*|\b(?:fit|predict|rehearse) --\w+|(?P<help> \(see [\w ]*--help\))"
    r"|(?<![\w/.-])--(?:(?:data|model|trainer)\.)?(?P<argument>[a-z]\w*(?:\.\w+)*)"
)
# What is taken for a kind of value, the kind's own name first: NumPy's numbers, paths; but no text for a list.
_TAKEN: dict[Any, tuple[type, ...]] = {
    bool: (bool, int),
    int: (int, Integral),
    float: (float, Real),
    str: (str, os.PathLike),
    Sequence: (list, tuple),
}
_of_a_command_line = False


@contextmanager
def naming_flags() -> Iterator[None]:
    """Have messages name settings by their flags, --data.root, while a command line runs; else they are Python's
    arguments, root."""
    global _of_a_command_line  # noqa: PLW0603 - not a ContextVar: threads that load and fetch have messages too
    before, _of_a_command_line = _of_a_command_line, True
    try:
        yield
    finally:
        _of_a_command_line = before


def as_given(text: str) -> str:
    """A message that names flags, with Python's arguments in their place where no command line runs; what it takes to
    be meant keeps its group, which may be all that was amiss."""
    if _of_a_command_line:
        return text
    said, meant, near = text.partition("did you mean ")
    return f"{_FLAG.sub(_argument, said)}{meant}{_FLAG.sub(_in_group, near)}"


def _argument(found: re.Match[str]) -> str:
    return "" if found["help"] else found["argument"] or found[0]


def _in_group(found: re.Match[str]) -> str:
    return "" if found["help"] else found[0].removeprefix("--")


class UserError(Exception):
    """A mistake in what the user gave (a path, a setting, a file). The message names the thing and the mend.

    It is written with flags, as `args[0]` has it; shown, it names each setting as it was given: see `naming_flags`.
    """

    def __str__(self) -> str:
        return as_given(super().__str__())


class DivergedError(UserError):
    """Training has left the finite numbers; what was saved before is good."""


class DataError(UserError):
    """A damaged or unsuitable shard, record or picture."""


class RecordError(DataError):
    """Something wrong with one record of a shard: `what`, and at which byte `offset` its frame begins."""

    def __init__(self, shard: object, record: int, offset: int, what: str) -> None:
        super().__init__(f"{shard}: record {record} at byte {offset}: {what}")
        self.offset, self.what = offset, what

    def __reduce__(self) -> tuple[type[DataError], tuple[object, ...]]:
        return DataError, self.args  # how another process, such as one that traces a run, hands it on


def check_choices(function: Callable[..., object], given: Mapping[str, Any], group: str) -> None:
    """Refuse what is none of the values that an argument of a function may have, by its annotation: Python lets all
    pass.

    Args:
        group: of their flags: data or model.
    """
    for name, hint in function.__annotations__.items():
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        choices = [value for part in parts if get_origin(part) is Literal for value in get_args(part)]
        kinds = [get_origin(part) or part for part in parts if get_origin(part) is not Literal]
        taken = tuple(one for kind in kinds for one in _TAKEN.get(kind, (kind,)))
        mistaken = bool not in kinds and isinstance(given.get(name), bool)  # for a number, as Python has it
        if name == "return" or (isinstance(given[name], taken) and not mistaken) or given[name] in choices:
            continue
        named = ["None" if kind is NoneType else _TAKEN.get(kind, (kind,))[0].__name__ for kind in kinds]
        allowed = f"one of {', '.join([*choices, *named])}" if choices else " or ".join(named)
        raise UserError(f"--{group}.{name}={_short(given[name])}: must be {allowed}")


def path_text(name: str, given: object) -> str:
    """A path as text.

    Args:
        name: of the argument that it is given as.

    Raises:
        UserError: it is none.
    """
    if isinstance(given, str | os.PathLike) and isinstance(text := os.fspath(given), str):
        return text
    raise UserError(f"{name}={_short(given)}: must be a path")


def _short(value: object) -> str:
    return shorten(str(value), 60, placeholder=" ...")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`: did you mean a or b?` of the known names that are nearest to a given one; "" where none is.

    Of names in groups, as `--data.size` is, those are nearest whose last part is given alone.
    """
    names = sorted(known)
    alone = [name for name in names if name.endswith(f".{given.removeprefix('--')}")]
    near = alone or get_close_matches(given, names, n=2)
    return f": did you mean {' or '.join(near)}?" if near else ""
