"""Which class has which label, and what is odd about them, for people."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from lightning_flowers.records.convert.plan import Planned

_LISTED = 12  # classes; of more, the first and the last


def list_labels(classes: Sequence[str]) -> str:
    """The labels with their classes, shortened where they are many."""
    texts = [f"{label}={name}" for label, name in enumerate(classes)]
    return ", ".join(texts if len(texts) <= _LISTED else [*texts[: _LISTED - 4], "...", *texts[-3:]])


def note_classes(classes: Sequence[str], placed: Sequence[Planned]) -> Iterator[str]:
    """Classes that nobody can learn, that may be one, and whether nothing is left to validate on."""
    trained = {one.label for one in placed if one.split == "train"}
    if missing := [name for label, name in enumerate(classes) if label not in trained]:
        names = ", ".join(missing[:5]) + (f" and {len(missing) - 5:,} more" if len(missing) > 5 else "")
        yield f"{len(missing):,} of {len(classes):,} classes have no picture for training: {names}"
    seen: dict[str, str] = {}
    for name in classes:
        if (key := _letters(name)) and seen.setdefault(key, name) != name:
            yield f"the classes {seen[key]!r} and {name!r} are hardly told apart: should they be one?"
    if all(one.split != "val" for one in placed):
        yield "there is no val: train with --data.train_on=train+val, or --data.folds=5 --data.fold=0"


def _letters(name: str) -> str:
    """The name without case, blanks and marks."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())
