"""The small files beside the shards."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning_flowers.files import write_text
from lightning_flowers.records.convert.manifest import Manifest
from lightning_flowers.records.convert.plan import Planned


def write_tables(folder: Path, manifest: Manifest, placed: Sequence[Planned]) -> None:
    """Write those that are not there yet.

    `classes.txt`; `pictures.csv` (which picture has which id); for a test split `sample_submission.csv`, and
    `test_labels.csv` where its labels are known, which the shards do not tell; `skipped.csv` if any were.
    """
    test = [one for one in placed if one.split == "test"]
    texts = {
        "classes.txt": "".join(f"{name}\n" for name in manifest.classes),
        "pictures.csv": _csv(("id", "split", "class", "path"), (_row(one, manifest.classes) for one in placed)),
    }
    if test:
        texts["sample_submission.csv"] = _csv(("id", "label"), ((one.id, 0) for one in test))
    if test and all(one.label is not None for one in test):
        texts["test_labels.csv"] = _csv(("id", "label"), ((one.id, one.label) for one in test))
    if manifest.bad():
        texts["skipped.csv"] = _csv(("path", "why"), manifest.bad())
    for name, text in texts.items():
        if not (folder / name).exists():
            write_text(folder / name, text)


def _row(one: Planned, classes: Sequence[str]) -> tuple[str, str, str, str]:
    return one.id, one.split, "" if one.label is None else classes[one.label], one.path


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([header, *rows])
    return lines.getvalue()
