"""Settings that Lightning takes without a word and that cannot be, or would be ignored: one table."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jsonargparse import Namespace

from lightning_flowers.data.conversion.hubs import is_hub
from lightning_flowers.data.conversion.opening import REMOTE_LIMIT, holds_shards, is_url
from lightning_flowers.data.datamodule import PSEUDO_THRESHOLD
from lightning_flowers.errors import UserError
from lightning_flowers.model.idle import NO_EFFECT, idle_settings

# Lightning's tuners: the first asks loaders of torch, the second an optimizer without a schedule.
_TUNERS = ("BatchSizeFinder", "LearningRateFinder")
_WHOLE_SPLITS = "predictions are of whole splits: leave it out"


class _Row(NamedTuple):
    """A setting, when it is refused, and why and what to do then; `always`, also where a run's own settings have it."""

    flag: str
    wrong: Callable[[Namespace], bool]
    why: str
    always: bool = False


def check_settings(command: str, settings: Namespace, args: Sequence[str]) -> None:
    """Refuse a number outside its range, and a setting that would be ignored. A run's own settings, as --run and
    --resume read them, pass.

    Raises:
        UserError: there is one.
    """
    new = command == "fit" and not settings.resume
    given = {arg.partition("=")[0].rstrip("+") for arg in args}
    for row in _TABLE:
        if (new or row.always or f"--{row.flag}" in given) and row.flag in settings and row.wrong(settings):
            value = settings[row.flag]
            shown = "" if isinstance(value, list) else f"={value}"
            raise UserError(f"--{row.flag}{shown}: {row.why}")
    augments = settings.data.augment not in ("none", [])
    for flag, message in idle_settings(settings.model, augments, settings.data.cache):
        if new or f"--{flag}" in given:
            raise UserError(message)


def _outside(flag: str, holds: Callable[[float], bool], allowed: str) -> _Row:
    """Of a number that may be given as text too. Words (such as times) and lists are left to who reads them."""

    def wrong(settings: Namespace) -> bool:
        try:
            return not holds(float(settings[flag]))
        except (TypeError, ValueError):
            return False

    return _Row(flag, wrong, f"must be {allowed}", always=True)


def _count(flag: str, besides: str = "") -> _Row:
    """1 or more; `besides` says what -1 means where it is good too."""
    allowed = f"1 or more{besides and f', or -1 for {besides}'}"
    return _outside(flag, lambda number: number >= 1 or (bool(besides) and number == -1), allowed)


def _above_0(flag: str) -> _Row:
    return _outside(flag, lambda number: 0 < number < math.inf, "above 0, a share up to 1.0 or a number of batches")


def _idle(flag: str, idle: Callable[[Namespace], bool], why: str) -> _Row:
    """Of a setting that the others leave without effect."""
    return _Row(flag, idle, NO_EFFECT + why)


def _reads_urls(settings: Namespace) -> bool:
    roots = (settings.data.root, *settings.data.extra_roots)
    return any(root is not None and is_url(root) and not is_hub(root) for root in roots)


def _converts(settings: Namespace) -> bool:
    """Whether pictures are converted: not where all that is given are shards."""
    roots = [root for root in (settings.data.root, *settings.data.extra_roots) if root is not None]
    return any(is_hub(root) or not (is_url(root) or holds_shards(Path(root))) for root in roots)


def _tunes(settings: Namespace) -> bool:
    callbacks = settings.trainer.callbacks or []
    classes = [each.class_path for each in (callbacks if isinstance(callbacks, list) else [callbacks])]
    return any(name.rpartition(".")[2] in _TUNERS for name in classes)


_TABLE = (
    _count("trainer.max_epochs", "no end"),
    _count("trainer.max_steps", "no end"),
    _count("trainer.check_val_every_n_epoch"),
    _count("trainer.accumulate_grad_batches"),
    _above_0("trainer.limit_train_batches"),
    _above_0("trainer.val_check_interval"),
    _outside("trainer.gradient_clip_val", lambda number: number >= 0, "0 (off) or more"),
    _outside("seed_everything", lambda seed: 0 <= seed < 2**32, "in 0..4294967295, or true"),
    _outside("hours", lambda hours: 0 < hours < math.inf, "above 0, and finite"),
    _idle(
        "hours",
        lambda s: s.get("hours") is not None and bool(s.trainer.fast_dev_run),
        "--trainer.fast_dev_run trains a few batches: leave one of the two out",
    ),
    _idle(
        "hours",
        lambda s: s.get("hours") is not None and s.trainer.max_epochs == 1,
        "no run is shorter than --trainer.max_epochs=1: leave it out, or give more epochs",
    ),
    _Row(
        "hours",
        lambda s: s.get("hours") is not None and s.model.first_size is not None,
        "counts epochs by the first ones, and those of --model.first_size grow: leave one of the two out",
    ),
    _Row(
        "trainer.max_time",
        lambda s: s.trainer.max_time is not None and s.get("hours") is not None,
        "cuts a run off where --hours has it come to its end: leave one of the two out",
    ),
    _Row(
        "trainer.limit_predict_batches",
        lambda s: s.trainer.limit_predict_batches is not None,
        _WHOLE_SPLITS,
        always=True,
    ),
    _Row(
        "trainer.fast_dev_run", lambda s: "decision" in s and bool(s.trainer.fast_dev_run), _WHOLE_SPLITS, always=True
    ),
    _count("save_top_k"),
    _idle(
        "save_top_k",
        lambda s: s.save_top_k > 1 and (s.data.train_on == "train+val" or bool(s.trainer.fast_dev_run)),
        "the best epochs are chosen on val, and --data.train_on=train+val leaves none, --trainer.fast_dev_run no run: "
        "leave it out",
    ),
    _idle(
        "data.cache_dir",
        lambda s: s.data.cache_dir is not None and s.data.cache != "disk",
        "it is where --data.cache=disk keeps pictures: give that too",
    ),
    _idle(
        "data.remote_limit",
        lambda s: s.data.remote_limit != REMOTE_LIMIT and not _reads_urls(s),
        "it is of data under a URL, and --data.root is none: leave it out",
    ),
    _idle(
        "data.balance",
        lambda s: bool(s.data.balance) and bool(s.trainer.overfit_batches),
        "--trainer.overfit_batches shows the same records in each epoch: leave one of the two out",
    ),
    _idle(
        "data.pseudo_threshold",
        lambda s: s.data.pseudo_threshold != PSEUDO_THRESHOLD and s.data.pseudo_labels is None,
        "it is of --data.pseudo_labels: give them too",
    ),
    _idle(
        "data.features",
        lambda s: bool(s.data.features) and not _converts(s),
        "it is of pictures that are converted, and these are shards: leave it out",
    ),
    _idle(
        "model.first_size",
        lambda s: s.model.first_size is not None and s.trainer.max_epochs == 1,
        "pictures of the last epoch have the data's size: leave it out",
    ),
    _idle(
        "trainer.default_root_dir",
        lambda s: s.trainer.default_root_dir is not None,
        "runs are made in --runs_dir: use that",
    ),
    _idle(
        "runs_dir", lambda s: s.resume and s.runs_dir != "runs", "--resume keeps to the run's own folder: leave it out"
    ),
    _idle(
        "trainer.gradient_clip_algorithm",
        lambda s: s.trainer.gradient_clip_algorithm is not None and s.trainer.gradient_clip_val is None,
        "nothing is clipped without --trainer.gradient_clip_val: give that too",
    ),
    _idle(
        "trainer.callbacks",
        _tunes,
        f"{' and '.join(_TUNERS)} do not reach our loaders and schedules: leave them out, and give --data.batch_size "
        "and --model.lr",
    ),
)
