"""Settings that are accepted by themselves and have no effect beside others: one table of what needs what."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jsonargparse import Namespace

from lightning_flowers.data.sources.finding import REMOTE_LIMIT, is_url
from lightning_flowers.errors import UserError

# Lightning's tuners: the first asks loaders of torch, the second an optimizer without a schedule.
_TUNERS = ("BatchSizeFinder", "LearningRateFinder")
_NO_VAL = "--data.train_on=train+val leaves nothing to validate on: leave it out"
_NO_FOLDER = "--trainer.fast_dev_run leaves no run folder: leave it out"


class _Row(NamedTuple):
    """A setting, when it has no effect, and why and what to do then."""

    flag: str
    idle: Callable[[Namespace], bool]
    why: str


def check_effects(command: str, settings: Namespace, args: Sequence[str]) -> None:
    """Refuse a setting that would be ignored. A run's own settings, as --run and --resume read them, pass.

    Args:
        command: fit, validate, test or predict.
        settings: of the command.
        args: the command line.

    Raises:
        UserError: there is one.
    """
    new = command == "fit" and not settings.resume
    given = {arg.partition("=")[0].rstrip("+") for arg in args}
    for row in _TABLE:
        if (new or f"--{row.flag}" in given) and row.flag in settings and row.idle(settings):
            value = settings[row.flag]
            shown = "" if isinstance(value, list) else f"={value}"
            raise UserError(f"--{row.flag}{shown}: would have no effect: {row.why}")


def _reads_urls(settings: Namespace) -> bool:
    return any(root is not None and is_url(root) for root in (settings.data.root, *settings.data.extra_roots))


def _mixes(settings: Namespace) -> bool:
    return bool(settings.model.mixup or settings.model.cutmix)


def _keeps_features(settings: Namespace) -> bool:
    model = settings.model
    fixed = settings.data.augment in ("none", []) or model.feature_views
    return model.freeze_backbone and model.feature_cache and not _mixes(settings) and bool(fixed)


def _tunes(settings: Namespace) -> bool:
    callbacks = settings.trainer.callbacks or []
    classes = [each.class_path for each in (callbacks if isinstance(callbacks, list) else [callbacks])]
    return any(name.rpartition(".")[2] in _TUNERS for name in classes)


_TABLE = (
    _Row(
        "data.cache_dir",
        lambda s: s.data.cache_dir is not None and s.data.cache != "disk",
        "it is where --data.cache=disk keeps pictures: give that too",
    ),
    _Row(
        "data.cache",
        lambda s: s.data.cache in ("ram", "disk") and _keeps_features(s),
        "features of the frozen backbone are kept in place of pictures: leave it out, or give "
        "--model.feature_cache=false",
    ),
    _Row(
        "data.remote_limit",
        lambda s: s.data.remote_limit != REMOTE_LIMIT and not _reads_urls(s),
        "it is of data under a URL, and --data.root is none: leave it out",
    ),
    _Row(
        "model.warmup_epochs",
        lambda s: s.model.warmup_epochs != 1 and s.model.schedule != "cosine",
        "it is of --model.schedule=cosine: leave it out",
    ),
    _Row(
        "model.feature_views",
        lambda s: s.model.feature_views and not s.model.freeze_backbone,
        "features are kept of a frozen backbone only: give --model.freeze_backbone=true, or leave it out",
    ),
    _Row(
        "model.feature_views",
        lambda s: s.model.feature_views and not s.model.feature_cache,
        "--model.feature_cache=false keeps none: leave one of the two out",
    ),
    _Row(
        "model.feature_views",
        lambda s: s.model.feature_views and _mixes(s),
        "--model.mixup and --model.cutmix mix pictures anew at each step: leave it, or them, out",
    ),
    _Row(
        "model.feature_views",
        lambda s: s.model.feature_views and s.data.augment in ("none", []),
        "without augmentation all views are the same: leave it out, or give --data.augment",
    ),
    _Row(
        "trainer.default_root_dir",
        lambda s: s.trainer.default_root_dir is not None,
        "runs are made in --runs_dir: use that",
    ),
    _Row(
        "trainer.callbacks",
        _tunes,
        f"{' and '.join(_TUNERS)} do not reach our loaders and schedules: leave them out, and give --data.batch_size "
        "and --model.lr",
    ),
    _Row(
        "trainer.use_distributed_sampler",
        lambda s: not s.trainer.use_distributed_sampler,
        "a batch is divided between devices in any case: leave it out",
    ),
    _Row(
        "trainer.gradient_clip_algorithm",
        lambda s: s.trainer.gradient_clip_algorithm is not None and s.trainer.gradient_clip_val is None,
        "nothing is clipped without --trainer.gradient_clip_val: give that too",
    ),
    *(
        _Row(
            f"trainer.{name}",
            lambda s, name=name: s.trainer[name] not in (None, 1) and s.data.train_on == "train+val",
            _NO_VAL,
        )
        for name in ("val_check_interval", "check_val_every_n_epoch", "limit_val_batches", "num_sanity_val_steps")
    ),
    _Row(
        "runs_dir", lambda s: s.resume and s.runs_dir != "runs", "--resume keeps to the run's own folder: leave it out"
    ),
    *(
        _Row(flag, lambda s, flag=flag: s[flag] is not None and bool(s.trainer.fast_dev_run), _NO_FOLDER)
        for flag in ("name", "save_every_steps")
    ),
)
