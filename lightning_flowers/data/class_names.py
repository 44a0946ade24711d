"""Names and numbers of classes as people, file systems and spreadsheets write them."""

import re
import unicodedata
from collections.abc import Sequence

_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]")  # not the joiners, which some scripts need
_WHOLE = re.compile(r"(\d+)(\.0*)?")
_NUMBER = re.compile(r"[+\-\u2212]?(?=.*\d)[\d.,'_ ]+(e[+-]?\d+)?|nan", re.IGNORECASE)


def clean_name(text: str) -> str:
    """A name in its one spelling: in Unicode's NFC (a Mac's files are in NFD), without invisible characters, blanks
    (of any kind) around it and more than one between its words."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def read_number(text: str) -> int | None:
    """The whole number that a text is, also as 2.0 (so pandas writes it beside empty cells); None of a word.

    Raises:
        ValueError: it is another number, which no label can be: negative, a fraction, 1e3, 1,000, nan.
    """
    text = clean_name(text)
    if whole := _WHOLE.fullmatch(text):
        return int(whole[1])
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is a number, but no whole one from 0 in plain digits")
    return None


def class_order(known: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where each of the `wanted` classes stands among the `known` ones.

    Raises:
        ValueError: they are not the same names; names some.
    """
    places = {clean_name(name): place for place, name in enumerate(known)}
    names = [clean_name(name) for name in wanted]
    if alone := sorted(places.keys() ^ set(names)):
        shown = ", ".join(map(repr, alone[:3]))
        raise ValueError(f"{len(alone)} names are not in both, such as {shown}")
    return [places[name] for name in names]
