"""The usual names of what a source holds, and of its splits; `features` gives others."""

import re
from collections.abc import Collection, Mapping, Sequence

from lightning_flowers.errors import DataError, UserError, did_you_mean

Features = Mapping[str, str]
# What holds the picture (its bytes, or its path), its class (a name or a number), its split and its id; first the more
# telling names.
USUAL: dict[str, tuple[str, ...]] = {
    "image": ("image", "image/encoded", "image_bytes", "image_raw", "encoded", "jpeg", "jpg", "png", "picture", "img"),
    "path": ("path", "image_path", "filepath", "file_path", "file_name", "filename", "file", "image", "picture", "img"),
    "label": (
        "image/class/text", "class_name", "class", "label", "image/class/label", "labels", "target", "cls", "species",
        "category",
    ),
    "split": ("split", "set", "subset"),
    "id": ("id",),
}  # fmt: skip
CLASS_LISTS = ("classes.txt", "classnames.txt", "label.labels.txt")  # the last is TensorFlow Datasets'
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_SPLIT = re.compile(rf"(?<![a-z])({'|'.join(sorted(_SPLITS, key=len, reverse=True))})(?![a-z])", re.IGNORECASE)


def split_called(name: str) -> str | None:
    """The split that a folder or a cell of a table names: also validation, valid, dev, training, testing."""
    return _SPLITS.get(name.lower())


def split_in(path: str) -> str | None:
    """The split that a path speaks of, such as data/train-00000-of-00002.parquet: the last one that it does."""
    named = _SPLIT.findall(path)
    return _SPLITS[named[-1].lower()] if named else None


def check_features(features: Features) -> None:
    """Fail where `features` names something else than image, label or id, or gives one no name.

    Raises:
        UserError: it does.
    """
    for role, name in features.items():
        if role not in ("image", "label", "id"):
            hint = did_you_mean(role, ("image", "label", "id"))
            raise UserError(f"--data.features: {role!r} is none of image, label, id{hint}")
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"--data.features.{role}={name}: give a name, or leave it out")


def find_name(role: str, present: Collection[str], features: Features, what: str, needed: bool = True) -> str | None:
    """The name under which a source has something: the one of `features`, else the first usual one that is there.

    Args:
        role: a key of USUAL.
        features: other names than the usual ones, by image, label and id.
        what: the source and what its names are called, such as `x.csv: columns`, for errors.
        needed: whether it must be there.

    Raises:
        DataError: it is not; lists what is there.
    """
    asked = features.get("image" if role == "path" else role)
    wanted: Sequence[str] = (asked,) if asked else USUAL[role]
    if (name := next((name for name in wanted if name in present), None)) or not (needed or asked):
        return name
    listed = ", ".join(sorted(present)[:12]) + (f" and {len(present) - 12} more" if len(present) > 12 else "")
    raise DataError(
        f"{what}: none for the {role} ({asked or ', '.join(wanted[:4]) + ', ...'}), only {listed or 'none'}: "
        f"name it, --data.features.{'image' if role == 'path' else role}=NAME"
    )
