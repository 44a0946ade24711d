"""What jsonargparse says of a wrong setting, as one short line: it lists all types that a value could have had, and the
value with all its defaults."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

from jsonargparse import Namespace

from lightning_flowers.errors import UserError

HELP = " (see --help)"
_START, _END, _LONGEST_VALUE = 300, 200, 60  # characters
_KEY = re.compile(r'Parser key "(?P<key>[^"]+)"(?: element \d+)?:\s*(?P<rest>.*)', re.DOTALL)
_UNION = re.compile(
    r"Subtypes: [^\n]*\n *Errors:\n(?P<indent> *)- (?P<errors>.*)"
    r"\n *Given value type: [^\n]*\n *Given value: (?P<value>.*)",
    re.DOTALL,
)
_CLASS = re.compile(r"class_path'?[:= ] ?'(?P<path>[\w.]+)'")
_OTHER_TYPE = ("Expected a <", "Expected a typing.", "Not a valid subclass of ")  # true of all types but one
_IMPORTED = "give a class of Lightning's by its name, another as package.module.Class"
# What is said, and what to say in its place, of a flag, the class's name and the value.
_WORDS = {
    r"the following arguments are required: (?P<first>[^,]+)(?P<more>.*)": (
        "{flag}: {name} needs {first}{more}: give {flag}.{first}=..."
    ),
    r"Problem with given class_path '(?P<path>.*?)':\s*(?P<why>No module named.*|.* has no attribute .*)": (
        "{flag}={path}: {why}: " + _IMPORTED
    ),
    r"Problem with given class_path '(?P<path>.*?)':\s*(?P<why>.*)": "{flag}={path}: {why}",
    r"Expected a dot import path string: (?P<path>.*)": "{flag}={path}: no such class: " + _IMPORTED,
    r"Import path .*does not correspond to a subclass of (?P<kind>\w+)": "{flag}{value}: not a {kind}: " + _IMPORTED,
    r"Option '(?P<option>.*?)' is not accepted(?P<hint>.*)": "{flag}.{option}: no such setting{hint}",
    r"Expected a (?P<types>.*?)(?:\. Got value: (?P<got>.*))?": "{flag}{value}: must be {types}",
    r"--(?P<inner>.*)": "{flag}.{inner}",
}


def in_short(message: str, key: str = "") -> str:
    """One line that names the flag and what is wrong, and the mend where that does not say it.

    Args:
        message: jsonargparse's, with its line breaks.
        key: of the setting, where the message does not name it.
    """
    name = value = ""
    if found := _KEY.match(message):
        key, message = found["key"], found["rest"]
    if union := _UNION.search(message):
        value, name = union["value"], " or ".join(path.split(".")[-1] for path in _class_paths(union["value"]))
        message = _telling(union["errors"].split(f"\n{union['indent']}- "))
    text = _reworded(message.removesuffix(HELP), f"--{key}", name, value) if key else message
    return shortened(text)


def shortened(text: str) -> str:
    """What others say, in one line of limited length: how it begins, and its end, where a mend stands."""
    words = " ".join(text.split())
    if len(words) <= _START + _END:
        return words
    return f"{shorten(words, _START, placeholder=' ...')} {words[-_END:].partition(' ')[2]}"


@contextmanager
def as_setting_errors(settings: Namespace) -> Iterator[None]:
    """Turn what jsonargparse says of a class that it could not make into a UserError with the flag that names it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        message = str(error)
        if not message.startswith(("Does not validate against any of", "Problem with given class_path")):
            raise
        paths = _class_paths(message)
        keys = [key for key, value in settings.items() if any(path in str(value) for path in paths)]
        raise UserError(in_short(message, keys[0].removesuffix(".class_path") if keys else "trainer")) from error


def _class_paths(message: str) -> list[str]:
    """The classes that it names, where jsonargparse does not say which of them it is about."""
    return _CLASS.findall(message)


def _telling(errors: list[str]) -> str:
    """Of what is said of the types of a union: what is said of the one that was meant, or what all are."""
    types = [error.removeprefix("Expected a ") for error in errors if error.startswith("Expected a ")]
    return next((error for error in errors if not error.startswith(_OTHER_TYPE)), f"Expected a {' or '.join(types)}")


def _reworded(said: str, flag: str, name: str, value: str) -> str:
    for pattern, words in _WORDS.items():
        if found := re.fullmatch(pattern, said, re.DOTALL):
            parts = found.groupdict()
            value = parts.get("got") or value
            parts["types"] = _plain(parts.get("types") or "")
            parts["hint"] = (parts.get("hint") or "").replace("--", f"{flag}.")
            shown = f"={value}" if value and len(value) <= _LONGEST_VALUE else ""
            return words.format(**parts, flag=flag, name=name, value=shown)
    return f"{flag}: {name}: {said}" if name else f"{flag}: {said}"


def _plain(types: str) -> str:
    """`<class 'int'> or <class 'NoneType'>` as a user writes them: int or null."""
    words = re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", types).replace("NoneType", "null")
    return re.sub(r"typing\.Literal\[(.*?)\]", lambda found: found[1].replace("'", ""), words)
