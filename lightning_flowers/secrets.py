"""Passwords, tokens and signatures, which may stand in nothing that a run leaves or says."""

import logging
import re
from argparse import Namespace
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

MARK = "..."  # stands for a secret: neither a shell, nor YAML, nor Markdown takes it for anything else
_END = r"""(?=['"`)\]},;:.]*(?:\s|$))"""
# Of a URL: what stands before the last @ ahead of its path (or behind a colon, as S3's secrets may hold slashes), and
# its query, where tokens and signatures stand. A URL that was taken for a path has but one slash.
_USER = re.compile(r"(?:(?<=\w\w:/)|(?<=\w\w://))(?:[^/\s]+|[^/\s:@]+:(?!:|\d*/)[^\s@]*)(?=@)")
_QUERY = re.compile(rf"(\w\w://?[^\s?#]*[?#])(?!\.\.\.{_END})\S+?{_END}")
_NAME = r"(?:(?:api|access|private|secret)_?key|token|password|passwd|secret|credentials)"
_NAMED = re.compile(rf"""((?:--[\w.]*{_NAME}(?:=|\s+)|{_NAME}['"]?(?:\s*[=:]|, val=)\s*(?=['"]))['"]?)[^\s'",]+""")
_MISSING = re.compile(r"://\.\.\.@|[?#]\.\.\.|^\.\.\.$|'\.\.\.'")
_LEAST = 4  # characters of a secret: what is shorter would be found in any text
MEND = (
    f"its secrets are not kept ({MARK} stands for them): give it again with them, or without them and let the "
    "environment log in (https: ~/.netrc; s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; others: FSSPEC_PROTOCOL)"
)


class Redacting(logging.Formatter):
    """Log lines without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback that belongs to it."""
        return redact(super().format(record))


def redact(text: str) -> str:
    """The text with `...` for users, passwords and queries of its URLs, and for values of flags such as --x.api_key."""
    return _NAMED.sub(rf"\1{MARK}", _QUERY.sub(rf"\1{MARK}", _USER.sub(MARK, text)))


def redacted(value: Any, name: str = "") -> Any:
    """Settings, or what a summary holds, with their texts redacted; wholly where the name says that it is a secret.

    Args:
        value: texts, numbers, ... in namespaces, mappings, lists and tuples; what is something else stays as it is.
    """
    if isinstance(value, str):
        return MARK if value and re.search(f"{_NAME}$", name, re.IGNORECASE) else redact(value)
    if isinstance(value, Namespace):
        return type(value)(**redacted(vars(value)))
    if isinstance(value, Mapping):
        return {key: redacted(inner, str(key)) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(redacted(inner, name) for inner in value)
    return value


def is_missing(value: object) -> bool:
    """Whether a secret of a setting, as `str` writes it, has been left out."""
    return bool(_MISSING.search(str(value)))


def bare(url: str) -> str:
    """The URL without user, password and query."""
    return re.sub(r"[?#]\.\.\.$", "", redact(url).replace(f"{MARK}@", ""))


def scrub(text: str, url: str) -> str:
    """A text, such as a driver's error, without the secrets of the URL, whole or in parts, and without others."""
    parts = [part for user in _USER.findall(url) for part in (user, user.partition(":")[2])]
    query = urlsplit(url.rpartition("::")[2]).query
    parts += [query, *(pair.partition("=")[2] for pair in query.split("&"))]
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        text = text.replace(part, MARK) if len(part) >= _LEAST else text
    return redact(text)
