"""What a run's folder says of the run itself, ready to be shown: badges, scores, tables, settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lightning_flowers.markdown import NOTHING, number
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.results import MemberInfo, Run
from lightning_flowers.secrets import redact

_TRAINED = {True: "trained whole", False: "head only, frozen backbone", None: ""}


class Fact(NamedTuple):
    """A figure or word with its name; `key` is for the page's ids."""

    key: str
    label: str
    text: str


class Badge(NamedTuple):
    """What has to be known before any figure is read; `kind` is good, warning or plain."""

    kind: str
    text: str


class SplitFact(NamedTuple):
    """A split that the run read."""

    split: str
    records: str
    fingerprint: str
    bad: str


def badges(run: Run, external: bool | None) -> list[Badge]:
    """Clean or external, finished or not, validated or not, on all of the data or not.

    Args:
        external: whether it is trained on other data sets too; None if that is unknown.
    """
    limits = [Badge("warning", f"part of the data: {name}={value}") for name, value in run.limits.items()]
    pseudo = run.data.pseudo_labelled
    of_test = [Badge("warning", f"{pseudo:,} PSEUDO-LABELS of test trained on")] if pseudo else []
    return [_origin(external), *of_test, _status(run), *_validation(run), *limits]


def status(run: Run) -> str | None:
    """How a run ended, in words."""
    return {"running": "running or killed", None: "status unknown"}.get(run.status, run.status)


def epochs(run: Run) -> str:
    """How many epochs it had, and of how many."""
    trainer = (run.settings or {}).get("trainer")
    wanted = trainer.get("max_epochs") if isinstance(trainer, dict) else None
    return f"{run.epochs or 0}" + (f" of {wanted}" if isinstance(wanted, int) and wanted > 0 else "")


def title(run: Run) -> str:
    """The name of the run's folder."""
    return run.path.resolve().name


def subtitle(run: Run) -> str:
    """What was trained, on what."""
    data = run.data
    known = [
        run.timm_name or run.backbone,
        _TRAINED[run.trainable],
        f"{' and '.join(map(str, run.sizes))} px" if run.sizes else "",
        f"{data.classes} classes" if data.classes else "",
        f"fold {data.fold} of {data.folds}" if data.folds else "",
        f"seed {run.seed}" if run.seed is not None else "",
    ]
    return ", ".join(part for part in known if part)


def training(run: Run) -> list[Fact]:
    """How long it was trained, how fast, and how big it is; of a blend or a soup, what it was made of."""
    if run.members:
        return [_member(position, member) for position, member in enumerate(run.members, start=1)]
    which = "without the first" if run.steady else "of the only epoch"
    return [
        as_fact("seconds-per-epoch", f"seconds per epoch, {which}", run.seconds_per_epoch, 1),
        as_fact("images-per-second", f"images/s, {which}", run.images_per_second, 1),
        Fact("parameters", "parameters", _grouped(run.parameters)),
        *([Fact("weights", "began with", run.weights)] if run.weights else []),
        Fact("epochs", "epochs", epochs(run)),
        as_fact("best-epoch", "best epoch", run.best_epoch, 0),
    ]


def best_scores(run: Run) -> list[Fact]:
    """Val scores of the best epoch, as metrics.csv has them; none of a run that was not validated."""
    if run.best is None:
        return []
    best = run.best
    return val_scores(best.val_macro_f1, best.val_macro_f1_present, best.val_accuracy, best.val_loss)


def val_scores(
    macro_f1: float | None, macro_f1_present: float | None, accuracy: float | None, loss: float | None
) -> list[Fact]:
    """The four scores on val under their names."""
    return [
        as_fact("macro-f1", "macro F1, all classes", macro_f1, 4),
        as_fact("macro-f1-present", "macro F1, classes present", macro_f1_present, 4),
        as_fact("accuracy", "accuracy", accuracy, 4),
        as_fact("loss", "loss (cross-entropy)", loss, 4),
    ]


def hardware(run: Run) -> list[Fact]:
    """What it ran on, and the seconds that a steady epoch leaves out."""
    found = run.hardware
    return [
        Fact("device", "device", found.device or NOTHING),
        as_fact("devices", "devices", found.devices, 0),
        Fact("accelerator", "accelerator", found.accelerator or NOTHING),
        Fact("precision", "precision", found.precision or NOTHING),
        as_fact("seconds-first-epoch", "seconds of the first epoch", run.seconds_first_epoch, 1),
        as_fact("compile-seconds", "seconds of compiling (XLA)", found.compile_seconds, 1),
    ]


def splits(run: Run) -> list[SplitFact]:
    """The splits with their records, fingerprints and bad records."""
    data = run.data
    names = dict.fromkeys([*data.records, *data.fingerprints, *data.bad_records])
    return [
        SplitFact(
            name,
            _grouped(data.records.get(name)),
            data.fingerprints.get(name, NOTHING),
            str(len(data.bad_records.get(name, []))),
        )
        for name in names
    ]


def settings(folder: RunFolder) -> str | None:
    """The text of config.yaml, passwords of URLs left out; None if it cannot be read."""
    try:
        return redact(folder.config.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def as_fact(key: str, label: str, value: float | None, decimals: int) -> Fact:
    """A figure that is shown with so many decimals."""
    return Fact(key, label, number(value, decimals))


def class_names(names: Sequence[str], classes: int) -> tuple[str, ...]:
    """The names of the classes; numbers where they are not known, or are those of other classes."""
    return tuple(names) if len(names) == classes else tuple(f"class {label}" for label in range(classes))


def _origin(external: bool | None) -> Badge:
    return {
        True: Badge("warning", "EXTERNAL data: trained on other data sets too"),
        False: Badge("good", "clean: only this data set"),
        None: Badge("warning", "clean or EXTERNAL: unknown"),
    }[external]


def _status(run: Run) -> Badge:
    if run.finished:
        return Badge("good", "finished")
    return Badge("warning", f"{status(run)}, after {epochs(run)} epochs")


def _validation(run: Run) -> list[Badge]:
    if run.data.train_on != "train":
        return [Badge("warning", f"not validated: trained on {run.data.train_on}")]
    return [] if run.best else [Badge("warning", "not validated")]


def _member(position: int, member: MemberInfo) -> Fact:
    return Fact(f"member-{position}", f"weight of {Path(member.path).name}", number(member.weight, 3))


def _grouped(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
