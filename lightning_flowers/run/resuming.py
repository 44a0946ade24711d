"""What `fit --resume` may change of a run, and how a changed length of the epoch is carried over."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import yaml
from pytorch_lightning import Trainer

from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder

# Free to change: they place and watch the work (all others of the Trainer's too), or act from the next step on.
_FREE = {
    "data": ("root", "threads", "cache", "cache_dir", "remote_limit", "on_bad_record", "test_labels", "batch_size"),
    "model": ("weights", "lr", "weight_decay", "warmup_epochs", "feature_cache", "ema_decay"),
}
# These cut the epoch into other batches or steps.
_CUTS = ("data.batch_size", "trainer.accumulate_grad_batches", "trainer.limit_train_batches")
_FIXED_OF_TRAINER = ("overfit_batches",)


def check_changes(run: RunFolder, checkpoint: str, asked: Mapping[str, Any]) -> None:
    """Fail where a run would be gone on with under settings that its state does not fit.

    Data of another place are held against the run's fingerprints elsewhere.

    Args:
        run: to go on with.
        checkpoint: its last.
        asked: the settings now, as config.yaml holds them.

    Raises:
        UserError: a setting that may not change has; names it, and what it was.
    """
    before = dict(_flat(yaml.safe_load(run.config.read_text("utf-8"))))
    changed = {name: value for name, value in _flat(asked) if name in before and before[name] != value}
    for name, value in changed.items():
        if not _is_free(name) or (name == "model.ema_decay" and not value):
            raise UserError(
                f"--{name}={value}: the run {run.path} was begun with {before[name]}, which --resume cannot change: "
                "leave it out, or start a new run"
            )
    cuts = [name for name in _CUTS if name in changed]
    if cuts and asked["trainer"]["max_steps"] != -1:
        raise UserError(f"--{cuts[0]}: --trainer.max_steps={asked['trainer']['max_steps']} counts steps of one length")
    if cuts:
        _check_place(cuts, before, changed, checkpoint)


def carry_over(trainer: Trainer, steps_before: int | None) -> None:
    """Have the schedule go on where the run is, counted in epochs, under the settings of now.

    Args:
        trainer: which has read the checkpoint and trains next.
        steps_before: optimizer steps that an epoch had; None of a checkpoint that does not say.
    """
    loop: Any = trainer.fit_loop
    for config in trainer.lr_scheduler_configs:
        schedule: Any = config.scheduler
        now, epochs = steps_per_epoch(trainer), loop.epoch_progress.current.processed
        if config.interval == "step" and steps_before not in (None, now):
            done = (
                loop.epoch_loop.batch_progress.current.processed if loop.epoch_progress.current.started > epochs else 0
            )
            schedule.last_epoch = epochs * now + done // trainer.accumulate_grad_batches
        factors = [factor(schedule.last_epoch) for factor in schedule.lr_lambdas]
        schedule._last_lr = [base * factor for base, factor in zip(schedule.base_lrs, factors, strict=True)]
        for group, rate in zip(schedule.optimizer.param_groups, schedule._last_lr, strict=True):
            group["lr"] = rate


def convert_batches(checkpoint: dict[str, Any], batch_size: int) -> None:
    """Of a run that stopped inside an epoch, count the batches done in others of the same records."""
    loader = checkpoint["callbacks"]["Continuity"]["loader"]
    if loader["batches"] and loader["batch_size"] != batch_size:
        more = loader["batches"] * loader["batch_size"] // batch_size - loader["batches"]
        loader |= {"batches": loader["batches"] + more, "batch_size": batch_size}
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
        for name in ("ready", "started", "processed", "completed"):  # not all have come as far
            progress[name] += more
        checkpoint["callbacks"]["History"]["batches"] += more  # else images/s would be of other batches


def steps_per_epoch(trainer: Trainer) -> int:
    """Optimizer steps of an epoch; the last may be of fewer batches."""
    return -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)


def _check_place(cuts: list[str], before: dict[str, Any], changed: dict[str, Any], checkpoint: str) -> None:
    """At an epoch's end all may change; inside one, what has been seen must be whole batches and steps."""
    loader = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)["callbacks"]["Continuity"][
        "loader"
    ]
    seen = loader["batches"] * loader["batch_size"]
    if not seen:
        return
    batch, accumulate = (changed.get(name, before[name]) for name in _CUTS[:2])
    if "trainer.limit_train_batches" in cuts or seen % (batch * accumulate):
        name = cuts[-1]
        raise UserError(
            f"--{name}={changed[name]}: the run stopped inside an epoch, after {seen} records, which are no whole "
            f"number of such steps: keep to {before[name]}, or use a batch size and accumulation that divide {seen}"
        )


def _is_free(name: str) -> bool:
    section, _, setting = name.partition(".")
    if section == "trainer":
        return setting not in _FIXED_OF_TRAINER
    return setting in _FREE.get(section, ())


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings by the names of their flags."""
    yield "seed_everything", settings["seed_everything"]
    for section in ("data", "model", "trainer"):
        for name, value in settings[section].items():
            yield f"{section}.{name}", value
