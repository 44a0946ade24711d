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
# Settings that others make, whatever is said of them.
LINKED = {"model.num_classes": "comes from the data: leave it out", "data.seed": "is the run's: give --seed_everything"}
_LINKED = re.compile(r'(Linked "|argument _count_classes\(data\) --> )(?P<key>[\w.]+)')
_UNION = re.compile(
    r"Subtypes: [^\n]*\n *Errors:\n(?P<indent> *)- (?P<errors>.*)"
    r"\n *Given value type: [^\n]*\n *Given value: (?P<value>.*)",
    re.DOTALL,
)
_CLASS = re.compile(r"class_path'?[:= ] ?'(?P<path>[\w.]+)'")
_OTHER_TYPE = ("Expected a <", "Expected a typing.", "Not a valid subclass of ")  # true of all types but one
_IMPORTED = "give a class of Lightning's by its name, another as package.module.Class"
_NO_CONFIG = re.compile(r"Unable to load config '(?P<value>[^']*)'.*", re.DOTALL)
_MEANT = {"data": "root", "model": "backbone", "trainer": "accelerator"}  # where a group is given one value
_NOT_FINITE = re.compile(r"[-+]?(inf|infinity|nan)", re.IGNORECASE)  # texts in YAML, which writes .inf
_EXPECTED = re.compile(r"Expected a (?P<types>.*?)(?:\. Got value: (?P<got>.*))?", re.DOTALL)


def in_short(message: str, key: str = "") -> str:
    """One line that names the flag and what is wrong, and the mend where that does not say it.

    Args:
        message: jsonargparse's, with its line breaks.
        key: of the setting, where the message does not name it.
    """
    if linked := _LINKED.match(message):
        return f"--{linked['key']}: {LINKED[linked['key']]}"
    value = ""
    if found := _KEY.match(message):
        key, message = found["key"], found["rest"]
    if union := _UNION.search(message):
        value, message = union["value"], _telling(union["errors"].split(f"\n{union['indent']}- "))
    said = message.removesuffix(HELP)
    if not key:
        return shortened(said)
    if (no_config := _NO_CONFIG.match(said)) and key in _MEANT:
        value = no_config["value"]
        return shortened(f"--{key}={value}: no YAML of settings: did you mean --{key}.{_MEANT[key]}={value}?")
    if said.startswith("--"):  # a setting of the class that this one names
        return shortened(f"--{key}.{said.removeprefix('--')}")
    if (expected := _EXPECTED.fullmatch(said)) and "path" not in expected["types"]:
        value = expected["got"] or value
        finite = ", and finite" if "float" in expected["types"] and _NOT_FINITE.fullmatch(value) else ""
        said = f"must be {_plain(expected['types'])}{finite}"
    names = [path.split(".")[-1] for path in _class_paths(value)]
    shown = f"={value}" if value and len(value) <= _LONGEST_VALUE and "(" not in value else ""
    hint = [_IMPORTED] if re.search("import path|class_path", said, re.IGNORECASE) else []
    return shortened(": ".join([f"--{key}{shown}", *([" or ".join(names)] if names else []), said, *hint]))


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


def _plain(types: str) -> str:
    """`<class 'int'> or <class 'NoneType'>` as a user writes them: int or null."""
    words = re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", types).replace("NoneType", "null")
    words = words.replace("Sequence", "a list in brackets")
    return re.sub(r"typing\.Literal\[(.*?)\]", lambda found: found[1].replace("'", ""), words)
